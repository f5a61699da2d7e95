import type { Ban, Session, SessionWithEnd } from 'nestjs-latchkey';
import type { SessionEvent } from 'nestjs-latchkey/admin';

/** A session as operators see it. */
export function toSessionItem(session: Session) {
  return {
    sessionId: session.id,
    userId: session.userId,
    username: session.claims.username,
    deviceType: session.deviceType,
    deviceId: session.deviceId,
    deviceName: session.deviceName,
    ip: session.ip,
    userAgent: session.userAgent,
    createdAt: toIso(session.createdAt),
    lastSeenAt: toIso(session.lastSeenAt),
    lastIp: session.lastIp,
    expiresAt: toIso(session.expiresAt),
    impersonator: session.impersonator,
  };
}

/** The same with how it ended, if it has. */
export function toPastSessionItem({ end, ...session }: SessionWithEnd) {
  return {
    ...toSessionItem(session),
    ...(end && {
      endReason: end.reason,
      endedAt: toIso(end.at),
      endedBy: end.by,
      replacedBy: end.replacedBy,
    }),
  };
}

export function toEventItem(event: SessionEvent) {
  return { ...event, at: toIso(event.at) };
}

export function toBanItem(ban: Ban) {
  return { ...ban, at: toIso(ban.at), until: ban.until === null ? null : toIso(ban.until) };
}

function toIso(at: number): string {
  return new Date(at).toISOString();
}
