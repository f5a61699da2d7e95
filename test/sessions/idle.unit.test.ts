import { describe, expect, it, jest } from '@jest/globals';
import { accessAndRefresh, multiDevice, sliding } from 'nestjs-latchkey';
import { SqlSessionRepository } from 'lib/sql-session-repository.js';
import { serviceKinds } from '../support/databases.js';
import { MINUTE, eventsOf, useSessions } from './harness.js';

const IDLE = 30 * MINUTE;
/** Two flushes. */
const SLACK = 10 * MINUTE;
const idle = { status: 'INVALID', reason: 'SESSION_IDLE' };

describe.each(serviceKinds)('A58: an idle timeout on $name', (kind) => {
  const tokensMode = sliding({ ttl: '12h', maxAge: '1d' });
  const harness = useSessions(kind, { policy: multiDevice(), tokens: tokensMode, idleTimeout: '30m' });
  const statusOf = async (token: string) => (await harness.tokens.verify(token)).status;

  it('ends a session that was not used, once no use can be waiting to be written any more', async () => {
    const { tokens, sessions, clock } = harness;
    const { accessToken, session } = await tokens.login('idler');
    clock.advance(IDLE + SLACK);
    expect(await tokens.verify(accessToken)).toMatchObject(idle);
    expect((await sessions.find(session.id))?.end).toEqual({
      reason: 'SESSION_IDLE',
      at: session.createdAt + IDLE,
      by: 'system',
      replacedBy: null,
    });
    expect(await eventsOf(harness, 'idler')).toContainEqual(
      expect.objectContaining({ type: 'session.ended', reason: 'SESSION_IDLE' }),
    );
  });

  it('is put off by every use, written or not', async () => {
    const { tokens, clock, runtime } = harness;
    const { accessToken } = await tokens.login('busy');
    for (let hour = 0; hour < 4; hour++) {
      clock.advance(IDLE + SLACK - 1);
      expect(await statusOf(accessToken)).toBe('VALID');
      if (hour % 2 === 0) await runtime.activity.flush();
    }
  });

  it('is not put off by requests that do not count', async () => {
    const { tokens, clock } = harness;
    const { accessToken } = await tokens.login('poller');
    for (let minute = 0; minute < IDLE + SLACK - MINUTE; minute += 5 * MINUTE) {
      clock.advance(5 * MINUTE);
      await tokens.verify(accessToken, { activity: false });
    }
    expect(await tokens.verify(accessToken)).toMatchObject(idle);
  });

  it('counts the uses that another node has written', async () => {
    const { tokens, clock } = harness;
    const other = await harness.another();
    const { accessToken } = await tokens.login('roaming');
    clock.advance(IDLE);
    expect((await other.tokens.verify(accessToken)).status).toBe('VALID');
    await other.close();
    clock.advance(IDLE);
    expect(await tokens.verify(accessToken)).toMatchObject({ status: 'VALID' });
  });

  it('is not told by the absence of uses that could not be written', async () => {
    const { tokens, clock, runtime } = harness;
    const { accessToken } = await tokens.login('unwritten');
    clock.advance(10 * MINUTE);
    const write = jest.spyOn(SqlSessionRepository.prototype, 'recordActivity').mockRejectedValue(new Error('down'));
    runtime.activity.record('f'.repeat(32), clock.now(), null);
    await runtime.activity.flush();
    write.mockRestore();
    clock.advance(IDLE + SLACK - 1);
    await runtime.sweep();
    expect((await tokens.verify(accessToken, { activity: false })).status).toBe('VALID');
    clock.advance(1);
    expect(await tokens.verify(accessToken)).toMatchObject(idle);
  });

  it('never outlives the absolute end (A62)', async () => {
    const { tokens, sessions, clock, runtime } = harness;
    const { accessToken, session } = await tokens.login('forever');
    for (let at = 0; at < 12 * 60; at += 20) {
      clock.advance(20 * MINUTE);
      await tokens.verify(accessToken);
    }
    await runtime.activity.flush();
    expect(await tokens.verify(accessToken)).toEqual({ status: 'INVALID', reason: 'TOKEN_EXPIRED' });
    expect((await sessions.find(session.id))?.expiresAt).toBe(session.expiresAt);
  });
});

describe('the idle timeout of a session with a refresh token', () => {
  const tokensMode = accessAndRefresh({ access: '10m', refresh: '12h', grace: '30s' });
  const harness = useSessions(serviceKinds[0]!, { tokens: tokensMode, idleTimeout: '30m' });

  it('is moved by a refresh, unless that is said to be no use, for each call of those that take one turn', async () => {
    const { tokens, sessions, clock } = harness;
    const refresh = (token: string | undefined, activity: boolean) => tokens.refresh(token, { activity });
    const lastUse = async () => (await sessions.find(session.id))!.lastSeenAt - session.createdAt;
    const { refreshToken, session } = await tokens.login('refresher');
    clock.advance(MINUTE);
    const next = await refresh(refreshToken, false);
    expect(await lastUse()).toBe(0);
    await Promise.all([false, true, false].map((activity) => refresh(next.refreshToken, activity)));
    expect(await lastUse()).toBe(MINUTE);
    clock.advance(IDLE + SLACK);
    await expect(refresh(next.refreshToken, true)).rejects.toMatchObject({ code: 'SESSION_IDLE' });
  });
});
