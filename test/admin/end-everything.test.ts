import { describe, expect, it } from '@jest/globals';
import { adapters, useApp } from '../nest/http-app.js';
import { startAdminApp } from './admin-app.js';

const ORDER = { confirm: 'end everything', reason: 'Secrets were stolen' };

describe.each(adapters)('everybody out, on $name', (kind) => {
  const server = useApp(() => startAdminApp(kind, { requireFresh: '10m' }));
  const refusal = (status: number, errorCode: string) => ({ status, json: { errorCode } });

  it('ends nothing without its own right, the words, a reason and a fresh login', async () => {
    const { session } = await server.tokens.login('alice');
    const everyRightBut = await server.operator('view', 'viewAddresses', 'kick', 'ban', 'impersonate', 'export');
    expect(await server.post(everyRightBut, '/end-everything', ORDER)).toMatchObject(refusal(403, 'FORBIDDEN'));
    const operator = await server.operator('view', 'endEverything');
    for (const body of [{}, { ...ORDER, confirm: 'yes' }, { reason: 'x' }, { confirm: ORDER.confirm }]) {
      expect(await server.post(operator, '/end-everything', body)).toMatchObject(refusal(400, 'ARGUMENT_INVALID'));
    }
    server.clock.advance(11 * 60_000);
    expect(await server.post(operator, '/end-everything', ORDER)).toMatchObject(refusal(403, 'FRESH_LOGIN_REQUIRED'));
    expect(await server.sessions.find(session.id)).toMatchObject({ end: null });
    expect((await server.get(operator, '/operator')).json.rights).toMatchObject({ endEverything: true, kick: false });
  });

  it('ends all sessions, the own one included, and says in the audit who did it and why', async () => {
    const logins = [];
    for (const user of ['alice', 'bob', 'carol']) logins.push(await server.tokens.login(user));
    const operator = await server.operator('view', 'endEverything');
    expect(await server.post(operator, '/end-everything', ORDER)).toMatchObject({ status: 200, json: { ended: null } });
    for (const { accessToken } of logins) {
      expect(await server.tokens.verify(accessToken)).toMatchObject({ status: 'INVALID', reason: 'SESSION_KICKED' });
    }
    expect(await server.get(operator, '/operator')).toMatchObject(refusal(401, 'SESSION_KICKED'));

    const next = await server.operator('view');
    expect((await server.get(next, '/online-users')).json).toMatchObject({ items: [{ current: true }], total: 1 });
    const { by: actor } = (await server.sessions.find(logins[0]!.session.id))!.end!;
    expect(actor).toMatch(/^operator-/);
    const events = (await server.get(next, '/events?type=REALM_SESSIONS_ENDED')).json.items;
    expect(events).toEqual([
      expect.objectContaining({
        actor,
        reason: 'SESSION_KICKED',
        userId: null,
        sessionId: null,
        ended: null,
        detail: { reason: ORDER.reason },
      }),
    ]);
    expect((await server.get(next, '/users/bob/sessions?ended=true')).json).toMatchObject({
      items: [{ endReason: 'SESSION_KICKED', endedBy: actor, endComment: ORDER.reason }],
    });
  });
});
