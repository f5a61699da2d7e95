import { useEffect } from 'preact/hooks';
import { useConsole } from '../console-context.js';
import type { OnlineUser, Page } from '../contract.js';
import { useLoad } from '../shared/hooks/use-load.js';
import { ONLINE_FILTERS, pick, type Query } from '../shared/logic/online-filter.js';
import { DataTable } from '../shared/parts/data-table.js';
import { Pager } from '../shared/parts/pager.js';
import { Empty, Loaded } from '../shared/parts/states.js';
import { Time } from '../shared/parts/time.js';
import { Who } from '../shared/parts/who.js';
import type { SetQuery } from '../shared/hooks/use-route.js';

/** One row for each user with a live session. */
export function OnlineUsers({ query, set }: { query: Query; set: SetQuery }) {
  const { api, announce, t } = useConsole();
  const params = { groupBy: 'user', ...pick(query, [...ONLINE_FILTERS, 'cursor']) };
  const list = useLoad(JSON.stringify(params), (signal) => api.get<Page<OnlineUser>>('/online-users', params, signal));
  const shown = list.data?.total ?? list.data?.items.length;
  useEffect(() => {
    if (!list.loading && shown !== undefined) announce(t('nUsers', { n: shown }));
  }, [list.data, list.loading]);
  return (
    <section aria-label={t('onlineUsers')}>
      <Loaded load={list} rows={10}>
        {(page) =>
          page.items.length === 0 ? (
            <Empty>{t('noSessionsMatch')}</Empty>
          ) : (
            <DataTable
              caption={t('onlineUsers')}
              columns={[
                { id: 'user', head: t('user'), cell: (row) => <Who {...row} /> },
                { id: 'sessions', head: t('sessions'), numeric: true, cell: (row) => row.sessions },
                {
                  id: 'types',
                  head: t('deviceType'),
                  cell: (row) => (
                    <span class="badges">
                      {row.deviceTypes.map((type) => (
                        <span key={type} class="badge">
                          {type}
                        </span>
                      ))}
                    </span>
                  ),
                },
                { id: 'seen', head: t('lastSeen'), cell: (row) => <Time at={row.lastSeenAt} /> },
              ]}
              rows={page.items}
              keyOf={(row) => row.userId}
            />
          )
        }
      </Loaded>
      {list.data && <Pager page={list.data} go={(cursor) => set({ cursor })} />}
    </section>
  );
}
