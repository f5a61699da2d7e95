import { Delete, Get, HttpCode, Param } from '@nestjs/common';
import { CurrentSession, CurrentUser, type SessionDetails, SessionError, SessionService } from 'nestjs-latchkey';
import { JsonRoutes } from '../http/input.js';

/** "My devices". Whose sessions they are is in the token of the request, and never in what else it says. */
@JsonRoutes('sessions')
export class SessionsController {
  constructor(private readonly sessions: SessionService) {}

  @Get()
  async list(@CurrentUser('userId') userId: string, @CurrentSession('id') currentId: string) {
    const sessions = await this.sessions.list(userId);
    return { items: sessions.map((session) => toItem(session, currentId)) };
  }

  /** Somebody else's session, one that has ended, one that never was, and no id at all are the same 404. */
  @Delete(':id')
  @HttpCode(204)
  async end(@CurrentUser('userId') userId: string, @Param('id') id: string): Promise<void> {
    if (!(await this.sessions.end(userId, id))) throw new SessionError('SESSION_NOT_FOUND');
  }
}

/** Of support, the user is told that it is support: neither who nor from where, which is in the audit trail. */
function toItem(session: SessionDetails, currentId: string) {
  const impersonated = session.impersonator !== null;
  return {
    sessionId: session.id,
    current: session.id === currentId,
    impersonated,
    deviceType: session.deviceType,
    deviceName: session.deviceName,
    ip: impersonated ? null : session.ip,
    userAgent: impersonated ? null : session.userAgent,
    createdAt: new Date(session.createdAt).toISOString(),
    lastSeenAt: new Date(session.lastSeenAt).toISOString(),
    expiresAt: new Date(session.expiresAt).toISOString(),
    idleMs: session.idleMs,
  };
}
