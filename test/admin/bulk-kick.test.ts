import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { LoginResult } from 'nestjs-latchkey';
import type { SessionEvent } from 'lib/session-event.js';
import { type RawAnswer, adapters } from '../nest/http-app.js';
import { databaseKinds } from '../support/databases.js';
import { useDatabase } from '../support/use-database.js';
import { type AdminApp, linesOf, startAdminApp } from './admin-app.js';

/** More than a step of a fast kick ends. */
const SESSIONS = 620;

describe.each(databaseKinds)('a fast kick of many on $name', (kind) => {
  const database = useDatabase(kind, { isShared: true });
  let server: AdminApp;
  let token: string;
  beforeAll(async () => {
    server = await startAdminApp(adapters[0]!, {}, { database: database.options });
    database.atEnd(() => server.close());
    token = await server.operator('view', 'kick');
  });

  const logIn = async (count: number, deviceType: string): Promise<LoginResult[]> => {
    const logins: LoginResult[] = [];
    for (let index = 0; index < count; index += 20) {
      const some = Array.from({ length: Math.min(20, count - index) }, (_, at) => `${deviceType}-${index + at}`);
      logins.push(...(await Promise.all(some.map((user) => server.tokens.login(user, { deviceType })))));
    }
    return logins;
  };

  const trailOf = async (query: string): Promise<SessionEvent[]> => {
    const events: SessionEvent[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const answer: RawAnswer = await server.get(token, `/events?${query}&limit=200${cursor}`);
      const page = answer.json as { items: SessionEvent[]; nextCursor: string | null };
      events.push(...page.items);
      cursor = page.nextCursor && `&cursor=${page.nextCursor}`;
    }
    return events;
  };

  it('ends hundreds in a step, with one acknowledgement for all, and tells of each as a gentle one does', async () => {
    const [doomed, spared] = [await logIn(SESSIONS, 'bulk'), await logIn(3, 'phone')];
    const steps = jest.spyOn(server.operators, 'kickMany');
    const order = { filter: { deviceType: 'bulk' }, reason: 'Breach', pace: 'fast' };
    const answer = await server.post(token, '/kick', order);
    expect(linesOf(answer.text)).toEqual([
      { matching: SESSIONS },
      { done: 500, ended: 500, pending: 0 },
      { done: SESSIONS, ended: SESSIONS, pending: 0 },
      { done: SESSIONS, ended: SESSIONS, pending: 0, finished: true },
    ]);
    expect(steps.mock.calls.map(([ids]) => ids.length)).toEqual([500, SESSIONS - 500]);
    steps.mockRestore();
    for (const { accessToken } of doomed) {
      expect(await server.tokens.verify(accessToken)).toMatchObject({ reason: 'SESSION_KICKED' });
    }
    for (const { accessToken } of spared) expect((await server.tokens.verify(accessToken)).status).toBe('VALID');
    const ends = await trailOf('type=SESSION_ENDED');
    expect(new Set(ends.map(({ sessionId }) => sessionId))).toEqual(new Set(doomed.map(({ session }) => session.id)));
    expect(ends).toHaveLength(SESSIONS);
    for (const end of ends) expect(end).toMatchObject({ reason: 'SESSION_KICKED', detail: { reason: 'Breach' } });
    const orders = await trailOf('type=BULK_KICK');
    expect(orders.map(({ detail }) => detail)).toEqual([
      expect.objectContaining({ pace: 'fast', state: 'done', ended: SESSIONS }),
      expect.objectContaining({ pace: 'fast', state: 'begun' }),
    ]);
  });

  it('is refused at a pace that there is not, and ends nothing when it only counts', async () => {
    await logIn(2, 'tablet');
    const order = { filter: { deviceType: 'tablet' }, pace: 'furious' };
    expect(await server.post(token, '/kick', order)).toMatchObject({
      status: 400,
      json: { errorCode: 'ARGUMENT_INVALID', message: expect.stringContaining('pace') },
    });
    const counted = await server.post(token, '/kick', { ...order, pace: 'fast', dryRun: true });
    expect(counted.json).toEqual({ matching: 2 });
  });
});
