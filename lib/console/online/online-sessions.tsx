import { useEffect, useState } from 'preact/hooks';
import { useConsole } from '../console-context.js';
import type { Page, SessionItem } from '../contract.js';
import { useLiveSessions } from '../shared/hooks/use-live-sessions.js';
import { useLoad } from '../shared/hooks/use-load.js';
import { useSelection } from './use-selection.js';
import type { KickTarget } from '../shared/kick/kick-work.js';
import {
  kickFilter,
  mayBelong,
  ONLINE_FILTERS,
  pick,
  type Query,
  type SeenWords,
  WORD_FILTERS,
} from '../shared/logic/online-filter.js';
import { DataTable } from '../shared/parts/data-table.js';
import { KickDialog } from '../shared/kick/kick-dialog.js';
import { LiveNews } from '../shared/parts/live-news.js';
import { Pager } from '../shared/parts/pager.js';
import { Empty, Loaded } from '../shared/parts/states.js';
import type { SetQuery } from '../shared/hooks/use-route.js';
import { SelectionBar } from './selection-bar.js';
import { nameOfUser, sessionColumns, targetOf } from '../shared/parts/session-columns.js';
import { useFilterWords } from './online-filters.js';

interface Props {
  readonly query: Query;
  readonly set: SetQuery;
  /** Told which values the filters could have. */
  readonly seen: (values: SeenWords) => void;
}

const distinct = (values: readonly (string | null)[]): string[] =>
  [...new Set(values)].filter((v) => v !== null).sort();

export function OnlineSessions({ query, set, seen }: Props) {
  const context = useConsole();
  const { api, announce, operator, t } = context;
  const filters = pick(query, ONLINE_FILTERS);
  const params = { ...filters, ...pick(query, ['sort', 'cursor']) };
  const list = useLoad(JSON.stringify(params), (signal) => api.get<Page<SessionItem>>('/online-users', params, signal));
  const rows = list.data?.items;
  const changes = useLiveSessions(rows, (event) => mayBelong(event, query));
  const selection = useSelection(JSON.stringify(filters));
  const filterWords = useFilterWords();
  const [target, setTarget] = useState<KickTarget>();

  const total = list.data?.total;
  const count =
    list.data === undefined
      ? ''
      : total === undefined
        ? t('nSessions', { n: list.data.items.length })
        : list.data.totalIsEstimate
          ? t(list.data.totalIsMinimum ? 'atLeast' : 'about', { n: t('nSessions', { n: total }) })
          : t('nSessions', { n: total });
  useEffect(() => {
    if (list.loading || list.data === undefined) return;
    announce(count);
    const { items } = list.data;
    seen(Object.fromEntries(WORD_FILTERS.map((name) => [name, distinct(items.map((row) => row[name]))])));
  }, [list.data, list.loading]);

  const first = (): void => (query.cursor ? set({}) : list.reload());
  const selectable = (row: SessionItem): boolean => !row.current && !changes.ended.has(row.sessionId);
  const onPage = rows?.filter(selectable) ?? [];
  const kickSelected = (): void =>
    setTarget(
      selection.matching
        ? { filter: kickFilter(query), whom: Object.keys(filters).length === 0 ? t('everybody') : filterWords(query) }
        : {
            sessionIds: [...selection.ids.keys()],
            whom: [...selection.ids.values()].map((row) => targetOf(row, t).whom).join('\n'),
          },
    );

  return (
    <section aria-label={t('onlineSessions')}>
      <div class="list-head">
        <span class="muted">{count}</span>
        <LiveNews fresh={changes.fresh} stale={changes.stale} text="nNew" show={first} />
      </div>
      <Loaded load={list} rows={10}>
        {(page) =>
          page.items.length === 0 ? (
            <Empty>{Object.keys(filters).length === 0 ? t('noSessions') : t('noSessionsMatch')}</Empty>
          ) : (
            <DataTable
              caption={t('onlineSessions')}
              columns={sessionColumns(context, changes.ended, (row) => setTarget(targetOf(row, t)))}
              rows={page.items}
              keyOf={(row) => row.sessionId}
              sessionOf={(row) => row.sessionId}
              classOf={(row) => (changes.ended.has(row.sessionId) ? 'ended' : '')}
              sort={{ by: query.sort ?? 'lastSeen', choose: (sort) => set({ sort }) }}
              selection={
                operator.rights.kick
                  ? {
                      has: (row) => selection.ids.has(row.sessionId) || (selection.matching && selectable(row)),
                      toggle: selection.toggle,
                      label: (row) => t('selectRow', { name: nameOfUser(row) }),
                      allowed: selectable,
                      all: onPage.length > 0 && onPage.every((row) => selection.ids.has(row.sessionId)),
                      toggleAll: () => selection.togglePage(onPage),
                    }
                  : undefined
              }
            />
          )
        }
      </Loaded>
      {list.data && <Pager page={list.data} go={(cursor) => set({ cursor })} />}
      <SelectionBar selection={selection} total={total} kick={kickSelected} />
      {target && <KickDialog target={target} onClose={() => setTarget(undefined)} onDone={selection.clear} />}
    </section>
  );
}
