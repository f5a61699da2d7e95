import { useEffect, useState } from 'preact/hooks';
import { useConsole } from '../console-context.js';
import type { EventItem, Page } from '../contract.js';
import { useLive } from '../shared/hooks/use-live.js';
import { useLoad } from '../shared/hooks/use-load.js';
import { changeQuery } from '../shared/hooks/use-route.js';
import { EVENT_FILTERS, eventMayBelong } from './event-filter.js';
import { pick, type Query } from '../shared/logic/online-filter.js';
import { DataTable } from '../shared/parts/data-table.js';
import { ExportMenu } from '../shared/parts/export-menu.js';
import { LiveNews } from '../shared/parts/live-news.js';
import { Pager } from '../shared/parts/pager.js';
import { Empty, Loaded } from '../shared/parts/states.js';
import { eventColumns } from './event-columns.js';
import { EventFilters } from './event-filters.js';

/** What happened: logins, ends, bans, and what operators did. */
export function Events({ query }: { query: Query }) {
  const context = useConsole();
  const { api, announce, t } = context;
  const filters = pick(query, EVENT_FILTERS);
  const params = { ...filters, ...pick(query, ['cursor']) };
  // The server refuses one; the filters say why, in the language of the reader.
  const isOfNetwork = query.ip?.includes('/') ?? false;
  const list = useLoad(JSON.stringify(params), (signal) =>
    isOfNetwork ? Promise.resolve(undefined) : api.get<Page<EventItem>>('/events', params, signal),
  );
  const [news, setNews] = useState({ fresh: 0, stale: false });
  const set = (change: Readonly<Record<string, string | undefined>>): void =>
    changeQuery({ cursor: undefined, ...change });

  useEffect(() => setNews({ fresh: 0, stale: false }), [list.data]);
  useLive((message) => {
    if (message.kind === 'overflow') setNews((before) => ({ ...before, stale: true }));
    if (message.kind === 'change' && eventMayBelong(message.event, query))
      setNews((before) => ({ ...before, fresh: before.fresh + 1 }));
  });
  useEffect(() => {
    if (!list.loading && list.data) announce(t('nEvents', { n: list.data.items.length }));
  }, [list.data, list.loading]);

  return (
    <>
      <div class="page-head">
        <h1>{t('events')}</h1>
        <LiveNews {...news} text="nNewEvents" show={() => (query.cursor ? set({}) : list.reload())} />
        <span class="spacer" />
        <ExportMenu path="/events/export" query={filters} name="events" />
      </div>
      <EventFilters query={query} set={set} />
      <Loaded load={list} rows={10}>
        {(page) =>
          page === undefined ? null : page.items.length === 0 ? (
            <Empty>{t('noEvents')}</Empty>
          ) : (
            <DataTable
              caption={t('events')}
              columns={eventColumns(context)}
              rows={page.items}
              keyOf={(row) => String(row.id)}
              sessionOf={(row) => row.sessionId}
            />
          )
        }
      </Loaded>
      {list.data && <Pager page={list.data} go={(cursor) => set({ cursor })} />}
    </>
  );
}
