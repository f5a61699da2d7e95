import type { ComponentChildren } from 'preact';
import { useConsole } from '../console-context.js';
import { shortUserAgent } from '../shared/logic/user-agent.js';
import { ReasonBadge } from '../shared/parts/session-cells.js';
import { ExactTime } from '../shared/parts/time.js';
import type { TextKey } from '../text/en.js';
import type { PastSession, SessionItem } from '../contract.js';

/** A live session, or one that has ended. */
export type AnySession = SessionItem & Partial<PastSession>;

/** All that is known of a session. */
export function SessionFacts({ session }: { session: AnySession }) {
  const { t } = useConsole();
  const { deviceName, deviceType, endReason, endedAt, endedBy, expiresAt, impersonator, ip, lastIp, lastSeenAt } =
    session;
  const { amr, endComment, loginMethod, replacedBy, sessionId, userAgent, createdAt } = session;
  const facts: readonly (readonly [TextKey, ComponentChildren])[] = [
    ['sessionId', <span class="mono">{sessionId}</span>],
    ['device', [deviceType, deviceName].filter(Boolean).join(' · ')],
    ['loginMethod', [loginMethod, ...amr].filter(Boolean).join(' · ')],
    ['signedIn', <ExactTime at={createdAt} />],
    ['lastSeen', lastSeenAt && <ExactTime at={lastSeenAt} />],
    ['ended', endedAt && <ExactTime at={endedAt} />],
    ['endedWhy', endReason && <ReasonBadge reason={endReason} />],
    ['reason', endComment],
    ['actor', endedBy],
    ['successor', replacedBy && <Successor {...replacedBy} />],
    ['expires', endedAt === undefined && expiresAt && <ExactTime at={expiresAt} />],
    ['impersonator', impersonator],
    ['address', [...new Set([lastIp, ip])].filter(Boolean).join(', ')],
    ['userAgent', userAgent && `${shortUserAgent(userAgent)} — ${userAgent}`],
  ];
  return (
    <dl class="facts">
      {facts
        .filter(([, value]) => value)
        .map(([key, value]) => (
          <div key={key}>
            <dt>{t(key)}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

function Successor({ sessionId, deviceName, deviceType, createdAt }: NonNullable<AnySession['replacedBy']>) {
  return (
    <>
      {deviceName ?? deviceType ?? sessionId}
      {createdAt !== null && (
        <>
          {' '}
          (<ExactTime at={createdAt} />)
        </>
      )}
    </>
  );
}
