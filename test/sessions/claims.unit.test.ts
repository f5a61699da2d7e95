import { describe, expect, it } from '@jest/globals';
import { type Claims, type SessionErrorCode, type UserClaimsOptions, multiDevice } from 'nestjs-latchkey';
import { serviceKinds } from '../support/databases.js';
import { until } from '../support/until.js';
import { eventsOf, useSessions } from './harness.js';

const refusedAs = (code: SessionErrorCode) => expect.objectContaining({ code });
const invalid = (text: string) =>
  expect.objectContaining({ code: 'ARGUMENT_INVALID', message: expect.stringContaining(text) });

describe.each(serviceKinds)('the claims of a user on $name', (kind) => {
  const seen: unknown[] = [];
  const harness = useSessions(kind, {
    policy: ({ claims }) => (seen.push(['policy', claims]), multiDevice()),
    hooks: { beforeLogin: ({ claims }) => void seen.push(['hook', claims]) },
  });
  const claimsOf = async (token: string) => {
    const result = await harness.tokens.verify(token);
    return result.status === 'VALID' ? result.session.claims : result;
  };

  it('change in all sessions, which go on: each in place of the one of its name, null for none', async () => {
    const { tokens, sessions } = harness;
    const claims = { roles: ['admin', 'user'], team: { name: 'a', size: 3 }, plan: 'pro' };
    const logins = [await tokens.login('alice', { claims }), await tokens.login('alice', { claims: { roles: [] } })];
    const other = await tokens.login('bob', { claims });
    for (const { accessToken } of logins) await tokens.verify(accessToken);
    const patch = { roles: ['user'], team: { name: 'b' }, plan: null, unknown: null };
    expect(await sessions.updateUserClaims('alice', patch, { by: 'root', comment: 'moved' })).toBe(2);
    expect(await claimsOf(logins[0]!.accessToken)).toEqual({ roles: ['user'], team: { name: 'b' } });
    expect(await claimsOf(logins[1]!.accessToken)).toEqual({ roles: ['user'], team: { name: 'b' } });
    expect(await claimsOf(other.accessToken)).toEqual(claims);
    const names = ['roles', 'team', 'plan', 'unknown'];
    expect((await eventsOf(harness, 'alice')).at(-1)).toMatchObject({
      type: 'account.claims-changed',
      claims: names,
      changed: 2,
    });
    const { items } = await harness.online.events({ userId: 'alice' });
    const detail = { claims: names, changed: 2, comment: 'moved' };
    expect(items[0]).toMatchObject({ type: 'CLAIMS_CHANGED', actor: 'root', sessionId: null, detail });
    // A claim that is null already stays so, and a repetition changes nothing.
    const kept = await tokens.login('carol', { claims: { team: null } });
    expect(await sessions.updateUserClaims('carol', { roles: ['x'] })).toBe(1);
    expect(await sessions.updateUserClaims('carol', { roles: ['x'] })).toBe(1);
    expect(await claimsOf(kept.accessToken)).toEqual({ team: null, roles: ['x'] });
  });

  it('are told to channels: as they are at first, and as they become, without what changes nothing of them', async () => {
    const { tokens, sessions, operators } = harness;
    const { session } = await tokens.login('mallory', { claims: { n: 0 } });
    const [heard, ended]: [unknown[], unknown[]] = [[], []];
    const onEnd = (end: { readonly reason: string } | null) => ended.push(end?.reason);
    const stop = sessions.watch(session.id, onEnd, ({ claims }) => {
      heard.push(claims.n);
      throw new Error('of a listener');
    });
    const others: unknown[] = [];
    sessions.watch(session.id, onEnd, ({ claims, bans }) => others.push([claims.n, bans.length]));
    await until(() => heard.length === 1 && others.length === 1);
    await sessions.reauthenticate(session.id);
    await sessions.updateUserClaims('mallory', { n: 1 });
    await until(() => heard.length === 2 && others.length === 2);
    stop();
    await operators.ban('mallory', { by: 'root', service: 'chat' });
    await until(() => others.length === 3);
    await operators.kick(session.id, { by: 'root' });
    await until(() => ended.length === 1);
    expect([heard, others, ended]).toEqual([
      [0, 1],
      [
        [0, 0],
        [1, 0],
        [1, 1],
      ],
      ['SESSION_KICKED'],
    ]);
    expect(() => sessions.watch(session.id, onEnd, 'x' as never)).toThrow(invalid('onChange must be a function'));
    expect(() => sessions.watch(session.id, null as never, () => undefined)).toThrow(invalid('listener must be'));
  });

  it('end the sessions instead if told to, and refuse what was proved before', async () => {
    const { tokens, sessions } = harness;
    const ticket = await tokens.beginLogin('dave');
    const { accessToken } = await tokens.login('dave', { claims: { roles: ['admin'] } });
    const options = { endInstead: true, by: 'root', comment: 'demoted' };
    expect(await sessions.updateUserClaims('dave', { roles: [] }, options)).toBe(1);
    expect(await tokens.verify(accessToken)).toMatchObject({ status: 'INVALID', reason: 'SESSION_REVOKED' });
    const { items } = await harness.online.events({ userId: 'dave' });
    expect(items.map(({ type }) => type).slice(0, 2)).toContain('ACCOUNT_SESSIONS_ENDED');
    await expect(tokens.login('dave', { ticket })).rejects.toEqual(refusedAs('SESSION_REVOKED'));
  });

  it('G14: a login with a ticket from before is refused, and one without lands with what it brings', async () => {
    const { tokens, sessions } = harness;
    const ticket = await tokens.beginLogin('erin');
    expect(await sessions.updateUserClaims('erin', { roles: [] })).toBe(0);
    const old = { claims: { roles: ['admin'] } };
    await expect(tokens.login('erin', { ...old, ticket })).rejects.toEqual(refusedAs('SESSION_REVOKED'));
    await tokens.login('erin', { ...old, authenticatedAt: tokens.now() });
    await tokens.login('erin', { claims: { roles: [] }, ticket: await tokens.beginLogin('erin') });
  });

  it.each([
    ['claims', { roles: [] }, {}],
    ['their end', { roles: [] }, { endInstead: true }],
  ] as const)(
    'G14: a function is asked again for claims that are older than a change of %s',
    async (_, patch, options) => {
      const { tokens, sessions } = harness;
      const user = `frank-${JSON.stringify(options)}`;
      seen.length = 0;
      let roles = ['admin'];
      let asked = 0;
      const claims = async (): Promise<Claims> => {
        const read = roles;
        if (++asked === 1) {
          roles = [];
          await sessions.updateUserClaims(user, patch, options);
        }
        return { roles: read };
      };
      const { session, accessToken } = await tokens.login(user, { claims });
      expect([asked, session.claims, await claimsOf(accessToken)]).toEqual([2, { roles: [] }, { roles: [] }]);
      // The policy and the hook judge what the session gets.
      const given = [['admin'], []].flatMap((one) => [
        ['hook', { roles: one }],
        ['policy', { roles: one }],
      ]);
      expect(seen).toEqual(given);
    },
  );

  it('are asked for a bounded number of times, and within the budget of the login', async () => {
    const { tokens, sessions } = harness;
    let asked = 0;
    const restless = async () => {
      await sessions.updateUserClaims('grace', { n: ++asked });
      return { n: asked };
    };
    await expect(tokens.login('grace', { claims: restless })).rejects.toMatchObject({
      code: 'SESSION_STORE_UNAVAILABLE',
      cause: expect.objectContaining({ message: expect.stringContaining('changed 8 times') }),
    });
    expect([asked, await sessions.list('grace')]).toEqual([8, []]);
    const { tokens: impatient } = await harness.another({ timing: { loginBudget: '50ms' } });
    await expect(impatient.login('grace', { claims: () => new Promise(() => undefined) })).rejects.toMatchObject({
      cause: expect.objectContaining({ message: 'the function given as "claims" did not answer within 50 ms' }),
    });
  });

  it('given by a function are checked as others are, and its error is that of the login', async () => {
    const { tokens, operators } = harness;
    for (const bad of [undefined, null, 'roles', [], { f: () => 1 }, { a: 'x'.repeat(5000) }, new Map()]) {
      await expect(tokens.login('heidi', { claims: () => bad as never })).rejects.toEqual(invalid('claims'));
    }
    const failure = new Error('of the application');
    const failing = tokens.login('heidi', { claims: () => Promise.reject(failure) });
    await expect(failing).rejects.toBe(failure);
    const { session } = await operators.impersonate('heidi', { by: 'root', claims: () => ({ roles: ['x'] }) });
    expect(session.claims).toEqual({ roles: ['x'] });
  });

  it.each([
    [undefined, 'patch must name a claim'],
    [{}, 'patch must name a claim'],
    [null, 'patch must be a plain JSON object'],
    ['roles', 'patch must be a plain JSON object'],
    [[{ roles: [] }], 'patch must be a plain JSON object'],
    [new Map([['roles', []]]), 'patch must be plain JSON data'],
    [{ roles: new Set(['a']) }, 'patch must be plain JSON data'],
    [{ roles: Infinity }, 'patch must be plain JSON data'],
    [{ roles: () => [] }, 'patch must be plain JSON data'],
    [JSON.parse('{ "__proto__": { "admin": true } }'), 'the key __proto__ is not allowed'],
    [{ nested: { constructor: 1 } }, 'the key constructor is not allowed'],
    [{ ['x'.repeat(5000)]: 1 }, 'patch must be at most 4,096 bytes as JSON'],
    [{ text: 'é'.repeat(2100) }, 'patch must be at most 4,096 bytes as JSON'],
    [{ text: 'x'.repeat(3000) }, 'patch would make the claims of a session larger than 4,096 bytes'],
  ])('refuse the patch %#, and stay as they are', async (patch, message) => {
    const { tokens, sessions } = harness;
    const user = `bad-${message}`;
    const claims = { other: 'y'.repeat(2000), roles: ['user'] };
    const { accessToken } = await tokens.login(user, { claims });
    const ticket = await tokens.beginLogin(user);
    await expect(sessions.updateUserClaims(user, patch as never)).rejects.toEqual(invalid(message));
    expect(await claimsOf(accessToken)).toEqual(claims);
    await tokens.login(user, { ticket });
  });

  it.each([
    [null, 'options must be an object'],
    [{ by: '' }, 'by must name'],
    [{ by: 7 }, 'by must name'],
    [{ comment: 'x'.repeat(256) }, 'comment must be at most'],
    [{ endInstead: 'yes' }, 'endInstead must be true or false'],
    [{ except: 'x' }, 'except is unknown'],
  ])('refuse the options %j', async (options, message) => {
    const update = harness.sessions.updateUserClaims('ivan', { a: 1 }, options as unknown as UserClaimsOptions);
    await expect(update).rejects.toEqual(invalid(message));
  });

  it('survive hostile names and values, byte for byte', async () => {
    const { tokens, sessions } = harness;
    const { accessToken } = await tokens.login('judy');
    const patch = {
      "'; DROP TABLE": ['"', '\\', '\u0000', '\ud800', '📱'],
      '': 1,
      toString: 'x',
      hasOwnProperty: [null],
    };
    expect(await sessions.updateUserClaims('judy', patch)).toBe(1);
    expect(await claimsOf(accessToken)).toEqual(patch);
    expect(await sessions.updateUserClaims('judy', { toString: null, '': null } as never)).toBe(1);
    const { "'; DROP TABLE": kept, hasOwnProperty } = patch;
    expect(await claimsOf(accessToken)).toEqual({ "'; DROP TABLE": kept, hasOwnProperty });
  });
});
