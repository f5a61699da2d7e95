import { useConsole } from '../console-context.js';
import type { FailedLogins } from '../contract.js';
import { useLoad } from '../shared/hooks/use-load.js';
import { formatRoute } from '../shared/logic/hash-route.js';
import { changeQuery } from '../shared/hooks/use-route.js';
import type { Query } from '../shared/logic/online-filter.js';
import { Choice } from '../shared/parts/choice.js';
import { DataTable } from '../shared/parts/data-table.js';
import { Empty, Loaded } from '../shared/parts/states.js';
import { Time } from '../shared/parts/time.js';
import { Who } from '../shared/parts/who.js';

const HOURS = [1, 6, 24, 72, 168];

interface Props {
  readonly query: Query;
  /** Fixes the grouping; without it the reader chooses. */
  readonly by?: 'ip';
}

/** From where sign-ins failed, or of whom: bursts first, which are marked, then most first. */
export function FailedLoginsCard({ query, by: fixed }: Props) {
  const { api, operator, t } = useConsole();
  const by = fixed ?? (query.by !== 'user' && operator.rights.viewAddresses ? 'ip' : 'user');
  const hours = HOURS.find((each) => String(each) === query.hours) ?? 24;
  const list = useLoad(`${by} ${hours}`, (signal) =>
    api.get<{ items: readonly FailedLogins[] }>('/failed-logins', { by, hours }, signal),
  );
  return (
    <section class="card">
      <div class="card-head">
        <h2>{fixed === undefined ? t('failedLogins') : t('failedByAddress')}</h2>
        <span class="spacer" />
        {fixed === undefined && operator.rights.viewAddresses && (
          <Choice
            label={t('groupFailedBy')}
            value={by}
            options={[
              ['ip', t('byAddress')],
              ['user', t('byUser')],
            ]}
            choose={(chosen) => changeQuery({ by: chosen === 'ip' ? undefined : chosen })}
          />
        )}
        <select
          class="narrow"
          aria-label={t('range')}
          value={hours}
          onChange={(event) => changeQuery({ hours: event.currentTarget.value })}
        >
          {HOURS.map((each) => (
            <option key={each} value={each}>
              {t('lastHours', { n: each })}
            </option>
          ))}
        </select>
      </div>
      <Loaded load={list} rows={4}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty>{t('noFailed')}</Empty>
          ) : (
            <DataTable
              caption={t('failedLogins')}
              columns={[
                { id: 'who', head: by === 'ip' ? t('address') : t('user'), cell: (row) => <Subject row={row} /> },
                {
                  id: 'count',
                  head: t('count'),
                  numeric: true,
                  cell: (row) => (
                    <>
                      {row.burst && <span class="badge bad">{t('burst')}</span>} {t('figure', { n: row.count })}
                    </>
                  ),
                },
                {
                  id: 'others',
                  head: by === 'ip' ? t('accountsTried') : t('addressesUsed'),
                  numeric: true,
                  cell: (row) => row.accounts ?? row.addresses,
                },
                { id: 'last', head: t('lastTime'), cell: (row) => <Time at={row.lastAt} /> },
              ]}
              rows={items}
              keyOf={(row) => row.ip ?? row.userId ?? row.username ?? ''}
            />
          )
        }
      </Loaded>
    </section>
  );
}

/** An account that there is, a name that was only tried, or an address; the events of an address are one click away. */
function Subject({ row: { ip, userId, username } }: { row: FailedLogins }) {
  if (ip)
    return (
      <a class="mono" data-open href={formatRoute(['events'], { ip, type: 'LOGIN_FAILED' })}>
        {ip}
      </a>
    );
  if (userId) return <Who userId={userId} username={username ?? null} />;
  return <>{username}</>;
}
