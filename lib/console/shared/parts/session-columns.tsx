import type { Console } from '../../console-context.js';
import type { SessionItem } from '../../contract.js';
import type { KickTarget } from '../kick/kick-work.js';
import type { Column } from './data-table.js';
import { Address, Device, ReasonBadge } from './session-cells.js';
import { Time } from './time.js';
import { Who } from './who.js';
import type { Translate } from '../../text/language.js';

export const nameOfUser = ({ username, userId }: Pick<SessionItem, 'username' | 'userId'>): string =>
  username ?? userId;

/** One session to end, with the words that name it. */
export const targetOf = (row: SessionItem, t: Translate): KickTarget => ({
  sessionIds: [row.sessionId],
  whom: [nameOfUser(row), row.deviceName ?? row.deviceType ?? t('unknown')].join(' · '),
});

/** Columns of a list of live sessions, without those that the operator may not see. */
export function sessionColumns(
  { t, operator }: Pick<Console, 't' | 'operator'>,
  ended: ReadonlyMap<string, string>,
  kick: (row: SessionItem) => void,
): Column<SessionItem>[] {
  const { viewAddresses, kick: mayKick } = operator.rights;
  return [
    { id: 'user', head: t('user'), sort: { by: 'user', order: 'ascending' }, cell: (row) => <Who {...row} /> },
    { id: 'device', head: t('device'), cell: (row) => <Device {...row} /> },
    ...(viewAddresses ? [{ id: 'ip', head: t('address'), cell: (row: SessionItem) => <Address {...row} /> }] : []),
    { id: 'method', head: t('loginMethod'), cell: (row) => row.loginMethod ?? '–' },
    {
      id: 'createdAt',
      head: t('signedIn'),
      sort: { by: 'login', order: 'descending' },
      cell: (row) => <Time at={row.createdAt} />,
    },
    {
      id: 'lastSeenAt',
      head: t('lastSeen'),
      sort: { by: 'lastSeen', order: 'descending' },
      cell: (row) => <Time at={row.lastSeenAt} />,
    },
    {
      id: 'actions',
      head: t('actions'),
      cell: (row) => {
        const reason = ended.get(row.sessionId);
        if (reason !== undefined) return <ReasonBadge reason={reason} />;
        if (row.current || !mayKick) return null;
        const label = t('kickOf', { name: nameOfUser(row) });
        return (
          <button type="button" class="button danger small" aria-label={label} onClick={() => kick(row)}>
            {t('kick')}
          </button>
        );
      },
    },
  ];
}
