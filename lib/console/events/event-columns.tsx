import type { Console } from '../console-context.js';
import type { EventItem } from '../contract.js';
import type { Column } from '../shared/parts/data-table.js';
import { Device, ReasonBadge } from '../shared/parts/session-cells.js';
import { ExactTime } from '../shared/parts/time.js';
import { Who } from '../shared/parts/who.js';
import { nameOf, type Translate } from '../text/language.js';

const BAD = ['LOGIN_FAILED', 'LOGIN_REFUSED', 'REFRESH_REUSED', 'BANNED'];
const WARN = ['IMPERSONATION', 'BULK_KICK', 'ACCOUNT_SESSIONS_ENDED', 'REALM_SESSIONS_ENDED', 'KICK_WITHOUT_EFFECT'];
const toneOf = (type: string): string => (BAD.includes(type) ? 'bad' : WARN.includes(type) ? 'warn' : '');

/** Columns of a list of events. */
export function eventColumns({ t, operator }: Pick<Console, 't' | 'operator'>): Column<EventItem>[] {
  return [
    { id: 'at', head: t('time'), cell: ({ at }) => <ExactTime at={at} /> },
    {
      id: 'type',
      head: t('type'),
      cell: ({ type }) => <span class={`badge ${toneOf(type)}`}>{nameOf(t, 'event', type)}</span>,
    },
    {
      id: 'user',
      head: t('user'),
      cell: ({ userId, username }) =>
        userId === null ? (username ?? <span class="muted">–</span>) : <Who userId={userId} username={username} />,
    },
    { id: 'what', head: t('what'), cell: (row) => <What row={row} t={t} /> },
    ...(operator.rights.viewAddresses
      ? [{ id: 'ip', head: t('address'), cell: ({ ip }: EventItem) => <span class="mono">{ip ?? '–'}</span> }]
      : []),
    { id: 'detail', head: t('detail'), cell: (row) => <Detail row={row} t={t} /> },
  ];
}

function What({ row, t }: { row: EventItem; t: Translate }) {
  const { actor, deviceName, deviceType, ended, reason } = row;
  const words = wordsOf(row.detail);
  const isCode = reason !== null && /^[A-Z]+(_[A-Z]+)+$/.test(reason);
  return (
    <span class="stack">
      {(deviceType !== null || deviceName !== null) && <Device {...{ deviceType, deviceName }} />}
      {reason !== null && (isCode ? <ReasonBadge reason={reason} /> : <span>{reason}</span>)}
      {words !== null && <q>{words}</q>}
      {ended !== null && ended !== 1 && <span>{t('nEnded', { n: ended })}</span>}
      {ended === null && row.type === 'ACCOUNT_SESSIONS_ENDED' && <span>{t('manyEnded')}</span>}
      {actor !== null && <small class="muted">{t('by', { name: actor })}</small>}
    </span>
  );
}

/** What an operator gave as the reason, or the application for a sign-in that failed. */
function wordsOf(detail: unknown): string | null {
  const { reason } = (typeof detail === 'object' ? (detail ?? {}) : {}) as { readonly reason?: unknown };
  return typeof reason === 'string' && reason !== '' ? reason : null;
}

/** The id of the session, and what the event says beyond its fields. */
function Detail({ row, t }: { row: EventItem; t: Translate }) {
  const { detail, sessionId } = row;
  if (detail === null && sessionId === null) return null;
  return (
    <details class="detail">
      <summary>{t('details')}</summary>
      {sessionId !== null && (
        <p class="mono">
          {t('sessionId')}: {sessionId}
        </p>
      )}
      {detail !== null && <pre>{typeof detail === 'string' ? detail : JSON.stringify(detail, null, 1)}</pre>}
    </details>
  );
}
