import type { SessionItem } from '../../contract.js';
import { useConsole } from '../../console-context.js';
import { shortUserAgent } from '../logic/user-agent.js';
import { nameOf } from '../../text/language.js';

/** Why a session ended, coloured. */
export function ReasonBadge({ reason }: { reason: string }) {
  const { t } = useConsole();
  return <span class={`badge reason ${reasonClass(reason)}`}>{nameOf(t, 'reason', reason)}</span>;
}

/** Style class of an end reason: `end-SESSION_KICKED`; a code of any other form has none. */
export const reasonClass = (reason: string): string => (/^[A-Z_]{1,40}$/.test(reason) ? `end-${reason}` : '');

type DeviceFacts = Pick<SessionItem, 'deviceType' | 'deviceName'> & Partial<SessionItem>;

/** Type and name of the device and its program, with what is special about its session. */
export function Device({ deviceType, deviceName, userAgent, current, impersonator }: DeviceFacts) {
  const { t } = useConsole();
  return (
    <span class="stack">
      <span>
        {deviceType !== null && <span class="badge">{deviceType}</span>} {deviceName}
        {deviceType === null && deviceName === null && <span class="muted">{t('unknown')}</span>}
      </span>
      {userAgent && (
        <small class="muted" title={userAgent}>
          {shortUserAgent(userAgent)}
        </small>
      )}
      {current && <span class="badge accent">{t('thisSession')}</span>}
      {impersonator && <span class="badge warn">{t('impersonatedBy', { name: impersonator })}</span>}
    </span>
  );
}

export function Address({ ip, lastIp }: { ip: string | null; lastIp?: string | null }) {
  if (ip === null && !lastIp) return <span class="muted">–</span>;
  return (
    <span class="stack mono">
      <span>{lastIp ?? ip}</span>
      {ip !== null && lastIp && lastIp !== ip && <small class="muted">{ip}</small>}
    </span>
  );
}
