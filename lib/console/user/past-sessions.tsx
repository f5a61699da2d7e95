import { useConsole } from '../console-context.js';
import type { Page, PastSession } from '../contract.js';
import type { Load } from '../shared/hooks/use-load.js';
import { type Column, DataTable } from '../shared/parts/data-table.js';
import { Pager } from '../shared/parts/pager.js';
import { Address, Device, ReasonBadge } from '../shared/parts/session-cells.js';
import { Empty, Loaded } from '../shared/parts/states.js';
import { Time } from '../shared/parts/time.js';

interface Props {
  readonly load: Load<Page<PastSession>>;
  readonly go: (cursor: string) => void;
}

/** Sessions that are over, with why, by whom and by which login. */
export function PastSessions({ load, go }: Props) {
  const { operator, t } = useConsole();
  const columns: Column<PastSession>[] = [
    { id: 'device', head: t('device'), cell: (row) => <Device {...row} /> },
    {
      id: 'why',
      head: t('endedWhy'),
      cell: ({ endReason, endedBy, endComment, replacedBy }) => (
        <span class="stack">
          <ReasonBadge reason={endReason} />
          {endComment !== null && <q>{endComment}</q>}
          {endedBy !== null && <small class="muted">{t('by', { name: endedBy })}</small>}
          {replacedBy !== null && (
            <small class="muted">
              {t('replacedBy', { device: replacedBy.deviceName ?? replacedBy.deviceType ?? t('unknown') })}
            </small>
          )}
        </span>
      ),
    },
    ...(operator.rights.viewAddresses
      ? [{ id: 'ip', head: t('address'), cell: (row: PastSession) => <Address {...row} /> }]
      : []),
    { id: 'createdAt', head: t('signedIn'), cell: (row) => <Time at={row.createdAt} /> },
    { id: 'endedAt', head: t('ended'), cell: (row) => <Time at={row.endedAt} /> },
  ];
  return (
    <section class="section">
      <div class="card-head">
        <h2>{t('pastSessions')}</h2>
      </div>
      <Loaded load={load} rows={5}>
        {(page) =>
          page.items.length === 0 ? (
            <Empty>{t('noPast')}</Empty>
          ) : (
            <DataTable
              caption={t('pastSessions')}
              columns={columns}
              rows={page.items}
              keyOf={(row) => row.sessionId}
              sessionOf={(row) => row.sessionId}
            />
          )
        }
      </Loaded>
      {load.data && <Pager page={load.data} go={go} />}
    </section>
  );
}
