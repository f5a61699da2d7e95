import { useEffect } from 'preact/hooks';
import { useConsole } from '../console-context.js';
import type { Page, Sighting } from '../contract.js';
import { useLoad } from '../shared/hooks/use-load.js';
import { formatRoute } from '../shared/logic/hash-route.js';
import { type Column, DataTable } from '../shared/parts/data-table.js';
import { Pager } from '../shared/parts/pager.js';
import { Device } from '../shared/parts/session-cells.js';
import { Empty, Loaded } from '../shared/parts/states.js';
import { ExactTime } from '../shared/parts/time.js';
import { Who } from '../shared/parts/who.js';

interface Props {
  readonly params: Readonly<Record<string, string>>;
  readonly go: (cursor: string) => void;
  /** Leaves out the column of the user, where all are of one. */
  readonly ofOne?: boolean;
}

/** Which session was seen at which address, from when to when. */
export function Sightings({ params, go, ofOne = false }: Props) {
  const { api, announce, t } = useConsole();
  const list = useLoad(JSON.stringify(params), (signal) => api.get<Page<Sighting>>('/sightings', params, signal));
  useEffect(() => {
    if (!ofOne && !list.loading && list.data) announce(t('nSessions', { n: list.data.items.length }));
  }, [list.data, list.loading]);
  const user: Column<Sighting> = { id: 'user', head: t('user'), cell: (row) => <Who {...row} /> };
  const columns: Column<Sighting>[] = [
    ...(ofOne ? [] : [user]),
    { id: 'device', head: t('device'), cell: (row) => <Device {...row} /> },
    {
      id: 'ip',
      head: t('address'),
      cell: ({ ip }) =>
        ip === null ? (
          '–'
        ) : (
          <a class="mono" href={formatRoute(['addresses'], { ip })}>
            {ip}
          </a>
        ),
    },
    { id: 'first', head: t('firstSeen'), cell: (row) => <ExactTime at={row.firstAt} /> },
    { id: 'last', head: t('lastSeenAt'), cell: (row) => <ExactTime at={row.lastAt} /> },
  ];
  return (
    <>
      <Loaded load={list} rows={4}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty>{t('noSightings')}</Empty>
          ) : (
            <DataTable
              caption={t('sightings')}
              columns={columns}
              rows={items}
              keyOf={(row) => `${row.sessionId} ${row.ip} ${row.firstAt}`}
              sessionOf={(row) => row.sessionId}
            />
          )
        }
      </Loaded>
      {list.data && <Pager page={list.data} go={go} />}
    </>
  );
}
