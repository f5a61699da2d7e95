import { beforeAll, describe, expect, it } from '@jest/globals';
import { type LimitedSession, type MakeRoom, SessionLimitError, multiDevice } from 'nestjs-latchkey';
import { databaseKinds } from '../support/databases.js';
import type { Services } from '../support/sessions.js';
import { MINUTE, SECOND, useSessions } from './harness.js';

const VOID = { code: 'LOGIN_CHOICE_INVALID' };
const FULL = { code: 'SESSION_LIMIT_REACHED', limit: 2 };

/** A login that is refused at the limit. */
async function refused({ tokens }: Services, user: string, options: object = {}): Promise<SessionLimitError> {
  const error: unknown = await tokens.login(user, options).catch((cause: unknown) => cause);
  expect(error).toBeInstanceOf(SessionLimitError);
  return error as SessionLimitError;
}

describe.each(databaseKinds)('a user at the limit chooses what makes room, on $name', (kind) => {
  const harness = useSessions(kind, { policy: multiDevice({ max: 2, overflow: 'reject' }) });
  let other: Services;

  beforeAll(async () => (other = await harness.another()));

  /** Two devices, in use: the phone first, the laptop later. */
  async function logInTwice(user: string) {
    const { tokens, clock } = harness;
    const phone = await tokens.login(user, { deviceType: 'phone', deviceName: 'Phone', ip: '192.0.2.7' });
    clock.advance(SECOND);
    const laptop = await tokens.login(user, { deviceType: 'laptop' });
    for (const { accessToken } of [laptop, phone]) {
      clock.advance(SECOND);
      await tokens.verify(accessToken);
    }
    return { phone, laptop };
  }

  const idsOf = async (user: string) => (await harness.sessions.list(user)).map(({ id }) => id).sort();

  const choose = (node: Services, user: string, { ticket }: SessionLimitError, end: MakeRoom['end']) =>
    node.tokens.login(user, { makeRoom: { choice: ticket, end } });

  it('from what is shown: the user, and no addresses, the last used first', async () => {
    const { phone, laptop } = await logInTwice('shown');
    const error = await refused(harness, 'shown');
    expect(error).toMatchObject({ ...FULL, ticket: expect.stringMatching(/^limit_[A-Za-z0-9_-]+$/) });
    const shown = ({ session }: typeof phone, deviceType: string, deviceName: string | null) =>
      ({ id: session.id, deviceType, deviceName, createdAt: session.createdAt }) as LimitedSession;
    expect(error.sessions).toEqual([
      { ...shown(phone, 'phone', 'Phone'), lastSeenAt: harness.clock.now() },
      { ...shown(laptop, 'laptop', null), lastSeenAt: harness.clock.now() - SECOND },
    ]);
    expect(harness.tokens.readLimitTicket(error.ticket)).toEqual({ userId: 'shown' });
    expect(await idsOf('shown')).toEqual([phone.session.id, laptop.session.id].sort());
  });

  it('and the ones chosen end as replaced, at once on every node', async () => {
    const { phone, laptop } = await logInTwice('chosen');
    expect((await other.tokens.verify(phone.accessToken)).status).toBe('VALID');
    const { ended, session } = await choose(other, 'chosen', await refused(harness, 'chosen'), [phone.session.id]);
    expect(ended).toEqual([{ sessionId: phone.session.id, reason: 'SESSION_REPLACED' }]);
    for (const node of [harness, other]) {
      expect(await node.tokens.verify(phone.accessToken)).toMatchObject({ reason: 'SESSION_REPLACED' });
      expect((await node.tokens.verify(laptop.accessToken)).status).toBe('VALID');
    }
    expect(await idsOf('chosen')).toEqual([laptop.session.id, session.id].sort());
  });

  it('or the oldest, as many as must go and no more', async () => {
    const { phone, laptop } = await logInTwice('oldest');
    const { ended } = await choose(other, 'oldest', await refused(harness, 'oldest'), 'oldest');
    expect(ended).toEqual([{ sessionId: phone.session.id, reason: 'SESSION_REPLACED' }]);
    expect((await harness.tokens.verify(laptop.accessToken)).status).toBe('VALID');
  });

  it('once: a login makes every ticket void, also that of another device', async () => {
    const { phone } = await logInTwice('once');
    const [first, second] = [await refused(harness, 'once'), await refused(other, 'once')];
    await choose(harness, 'once', first, [phone.session.id]);
    const before = await idsOf('once');
    for (const ticket of [first, second]) {
      for (const end of [before, 'oldest'] as const) {
        await expect(choose(other, 'once', ticket, end)).rejects.toMatchObject(VOID);
      }
    }
    expect(await idsOf('once')).toEqual(before);
  });

  it('and is asked again where what was chosen makes no room, with the same ticket', async () => {
    const { phone } = await logInTwice('again');
    await logInTwice('stranger');
    const ended = await harness.tokens.login('again-ended');
    await harness.tokens.logout(ended.accessToken);
    const [stranger] = await idsOf('stranger');
    const before = [await idsOf('again'), await idsOf('stranger')];
    const ticket = await refused(harness, 'again');
    for (const id of [stranger!, 'f'.repeat(32), ended.session.id]) {
      await expect(choose(other, 'again', ticket, [id])).rejects.toMatchObject(FULL);
    }
    expect([await idsOf('again'), await idsOf('stranger')]).toEqual(before);
    // Ids of others beside one's own change nothing.
    const { ended: made } = await choose(other, 'again', ticket, [stranger!, phone.session.id]);
    expect(made.map(({ sessionId }) => sessionId)).toEqual([phone.session.id]);
    expect(await idsOf('stranger')).toEqual(before[1]);
  });

  it('and needs not end anything where there is room by now', async () => {
    const { phone, laptop } = await logInTwice('room');
    const ticket = await refused(harness, 'room');
    await harness.tokens.logout(phone.accessToken);
    const { ended } = await choose(other, 'room', ticket, 'oldest');
    expect(ended).toEqual([]);
    expect((await harness.tokens.verify(laptop.accessToken)).status).toBe('VALID');
    // Used up, though the session that it opened is gone and the list as it was.
    await expect(choose(other, 'room', ticket, 'oldest')).rejects.toMatchObject(VOID);
  });

  it('within two minutes', async () => {
    await logInTwice('late');
    const ticket = await refused(harness, 'late');
    harness.clock.advance(2 * MINUTE - 1);
    expect(harness.tokens.readLimitTicket(ticket.ticket)).toEqual({ userId: 'late' });
    harness.clock.advance(1);
    await expect(choose(harness, 'late', ticket, 'oldest')).rejects.toMatchObject(VOID);
    expect(() => harness.tokens.readLimitTicket(ticket.ticket)).toThrow(expect.objectContaining(VOID));
  });

  it('as that user only, and with a ticket that nobody changed', async () => {
    await logInTwice('own');
    await logInTwice('foreign');
    const { ticket } = await refused(harness, 'own');
    const body = ticket.slice('limit_'.length);
    const flipped = Buffer.from(body, 'base64url');
    for (const at of [0, 23, 24, flipped.length - 1]) {
      const changed = Buffer.from(flipped);
      changed[at]! ^= 1;
      const choice = `limit_${changed.toString('base64url')}`;
      await expect(choose(harness, 'own', { ticket: choice } as SessionLimitError, 'oldest')).rejects.toMatchObject(
        VOID,
      );
    }
    const foreign = { ticket } as SessionLimitError;
    await expect(choose(harness, 'foreign', foreign, 'oldest')).rejects.toMatchObject(VOID);
    for (const choice of ['', 'limit_', body, await harness.tokens.beginLogin('own'), 'x'.repeat(100_000)]) {
      await expect(choose(harness, 'own', { ticket: choice } as SessionLimitError, 'oldest')).rejects.toMatchObject(
        VOID,
      );
    }
  });

  it('not after the password was changed, a ban, or the end of everything', async () => {
    await logInTwice('changed');
    const { ticket } = await refused(harness, 'changed');
    const room = { makeRoom: { choice: ticket, end: 'oldest' } } as const;
    await other.tokens.revokeSessions('changed');
    await expect(harness.tokens.login('changed', room)).rejects.toMatchObject({ code: 'SESSION_REVOKED' });
    await logInTwice('banned');
    const banned = await refused(harness, 'banned');
    await other.operators.ban('banned', { by: 'root' });
    await expect(choose(harness, 'banned', banned, 'oldest')).rejects.toMatchObject({ code: 'ACCOUNT_DISABLED' });
    await logInTwice('everybody');
    const everybody = await refused(harness, 'everybody');
    await other.operators.endEverything({ by: 'root' });
    await expect(choose(harness, 'everybody', everybody, 'oldest')).rejects.toMatchObject(VOID);
  });

  it('while what support opened as the user is neither shown nor ended, and no reason to ask', async () => {
    const { laptop } = await logInTwice('support');
    const support = await harness.operators.impersonate('support', { by: 'root' });
    const error = await refused(harness, 'support');
    expect(error.sessions).toHaveLength(2);
    await expect(choose(other, 'support', error, [support.session.id])).rejects.toMatchObject(FULL);
    await choose(other, 'support', error, [support.session.id, laptop.session.id]);
    expect((await harness.tokens.verify(support.accessToken)).status).toBe('VALID');
  });

  it('with what is wrong named, and nothing done', async () => {
    const { tokens } = harness;
    const { phone } = await logInTwice('wrong');
    const { ticket: choice } = await refused(harness, 'wrong');
    const end = [phone.session.id];
    const wrong: readonly [unknown, string][] = [
      [null, 'makeRoom'],
      ['oldest', 'makeRoom'],
      [{ choice, end, more: 1 }, 'more'],
      [{ choice }, 'makeRoom.end'],
      [{ choice, end: [] }, 'makeRoom.end'],
      [{ choice, end: 'newest' }, 'makeRoom.end'],
      [{ choice, end: ['x'] }, 'makeRoom.end'],
      [{ choice, end: Array(501).fill(phone.session.id) }, 'makeRoom.end'],
      [{ end }, 'choice'],
      [{ choice: 7, end }, 'choice'],
    ];
    for (const [makeRoom, name] of wrong) {
      const problem = { code: 'ARGUMENT_INVALID', message: expect.stringContaining(name) };
      await expect(tokens.login('wrong', { makeRoom } as object)).rejects.toMatchObject(problem);
    }
    expect(await idsOf('wrong')).toHaveLength(2);
  });

  it('and operators see that a login was refused, and that one made room', async () => {
    await logInTwice('audited');
    const error = await refused(harness, 'audited', { ip: '192.0.2.9' });
    await choose(harness, 'audited', error, 'oldest');
    const { items } = await harness.online.events({ userId: 'audited' });
    expect(items.filter(({ type }) => type === 'LOGIN_REFUSED')).toMatchObject([
      { ip: '192.0.2.9', detail: { limit: 2 } },
    ]);
    expect(items.filter(({ type }) => type === 'LOGIN')).toContainEqual(
      expect.objectContaining({ detail: { madeRoom: 1 } }),
    );
  });
});
