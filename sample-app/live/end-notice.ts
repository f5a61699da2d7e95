import type { EndExplanation, UserSession } from 'nestjs-latchkey';

/** What the holder of a session that has ended is told. As in the body of a 401, and with the time of every end. */
export interface EndNotice {
  readonly errorCode: string;
  readonly message?: string;
  /** ISO 8601. */
  readonly endedAt: string;
  /** The login that took its place; null for every other end. */
  readonly replacedBy: {
    readonly deviceType: string | null;
    readonly deviceName: string | null;
    readonly at: string;
  } | null;
}

/**
 * @param end null where there is no end on record: a session that ran out has none until a sweep comes by, a suspended one never
 * @param session as it was while it lived
 * @param reason of a session without an end on record
 * @param now milliseconds since the epoch
 */
export function endNotice(end: EndExplanation | null, session: UserSession, reason: string, now: number): EndNotice {
  if (!end) {
    return { errorCode: reason, endedAt: isoTime(Math.min(now, session.expiresAt)), replacedBy: null };
  }
  const { replacement } = end;
  return {
    errorCode: end.reason,
    message: end.message,
    endedAt: isoTime(end.at),
    replacedBy: replacement && { ...replacement, at: isoTime(replacement.at) },
  };
}

function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
