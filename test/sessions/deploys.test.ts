import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  type LoginResult,
  type SessionModuleOptions,
  type TokenService,
  accessAndRefresh,
  fixed,
  multiDevice,
  oneDevicePerType,
  singleDevice,
  sliding,
} from 'nestjs-latchkey';
import { type JwtOptions, jwt } from 'nestjs-latchkey/jwt';
import { ManualClock } from 'nestjs-latchkey/testing';
import { SessionRuntime } from 'lib/session-runtime.js';
import { type TestDatabase, serviceKinds } from '../support/databases.js';
import { type Services, startSessions } from '../support/sessions.js';
import { HOUR, MINUTE } from './harness.js';

type Options = Partial<SessionModuleOptions>;

const [K1, K2] = ['first secret, of thirty-two bytes or more', 'second secret, of thirty-two bytes or more'];
const [one, two] = ['one', 'two'].map((kid) => ({ kid, privateKey: generateKeyPairSync('ed25519').privateKey })) as [
  JwtOptions['keys'][number],
  JwtOptions['keys'][number],
];
const jwtKeys: JwtOptions = { issuer: 'https://issuer.example', audience: 'api', keys: [one] };
const LONG: Options = { tokens: accessAndRefresh({ access: '1h' }) };
const SHORT: Options = {
  tokens: accessAndRefresh({ access: '5m', refresh: '1h', grace: '5s', graceFrom: 'issue', maxAge: '1d' }),
};

const MODES = {
  fixed: { tokens: fixed() },
  // A use renews from the second minute on.
  sliding: { tokens: sliding({ ttl: '2h', renewWithin: '119m' }) },
  refresh: { tokens: accessAndRefresh() },
  jwt: { tokens: jwt(jwtKeys) },
} satisfies Record<string, Options>;

/**
 * What becomes of what a client holds; '-' where it has none of that.
 * - access: an access token, 'renewed' with the answer that renews it
 * - late: the access token before it, whose successor was given out and is not used yet
 * - refresh: a refresh token; 'pair', or 'access' where it gives an access token alone
 * - retry: the refresh token before it, presented again
 */
interface Fate {
  readonly access: string;
  readonly late: string;
  readonly refresh: string;
  readonly retry: string;
}

const fate = (access: string, late: string, refresh = '-', retry = '-'): Fate => ({ access, late, refresh, retry });
const GONE = 'TOKEN_INVALID';

/** The table of docs/token-life.md, "Changing the configuration". */
const CHANGES: readonly (readonly [name: string, before: Options, after: Options, Fate])[] = [
  ['fixed to fixed', MODES.fixed, MODES.fixed, fate('good', '-')],
  ['fixed to sliding', MODES.fixed, MODES.sliding, fate('renewed', '-')],
  ['fixed to refresh', MODES.fixed, MODES.refresh, fate('good', '-')],
  ['fixed to jwt', MODES.fixed, MODES.jwt, fate(GONE, '-')],
  ['sliding to fixed', MODES.sliding, MODES.fixed, fate('good', 'good')],
  ['sliding to sliding', MODES.sliding, MODES.sliding, fate('renewed', 'renewed')],
  ['sliding to refresh', MODES.sliding, MODES.refresh, fate('good', 'good')],
  ['sliding to jwt', MODES.sliding, MODES.jwt, fate(GONE, GONE)],
  ['refresh to fixed', MODES.refresh, MODES.fixed, fate('good', 'good', 'access', 'pair')],
  ['refresh to sliding', MODES.refresh, MODES.sliding, fate('good', 'good', 'access', 'pair')],
  ['refresh to refresh', MODES.refresh, MODES.refresh, fate('good', 'good', 'pair', 'pair')],
  ['refresh to jwt', MODES.refresh, MODES.jwt, fate(GONE, GONE, 'pair', GONE)],
  ['jwt to fixed', MODES.jwt, MODES.fixed, fate(GONE, GONE, 'access', GONE)],
  ['jwt to sliding', MODES.jwt, MODES.sliding, fate(GONE, GONE, 'access', GONE)],
  ['jwt to refresh', MODES.jwt, MODES.refresh, fate(GONE, GONE, 'pair', GONE)],
  ['jwt to jwt', MODES.jwt, MODES.jwt, fate('good', 'good', 'pair', 'pair')],
  ['refresh: shorter lives', LONG, SHORT, fate('good', 'good', 'pair', 'pair')],
  ['refresh: longer lives', SHORT, LONG, fate('good', 'good', 'pair', 'pair')],
  [
    'jwt: another issuer',
    MODES.jwt,
    { tokens: jwt({ ...jwtKeys, issuer: 'other' }) },
    fate(GONE, GONE, 'pair', 'pair'),
  ],
  [
    'jwt: another key beside it',
    MODES.jwt,
    { tokens: jwt({ ...jwtKeys, keys: [two, one] }) },
    fate('good', 'good', 'pair', 'pair'),
  ],
  ['jwt: another key instead', MODES.jwt, { tokens: jwt({ ...jwtKeys, keys: [two] }) }, fate(GONE, GONE, 'pair', GONE)],
  ...Object.entries({ sliding: MODES.sliding, refresh: MODES.refresh, jwt: MODES.jwt }).flatMap(([name, mode]) => {
    const whole = { sliding: fate('renewed', 'renewed'), refresh: fate('good', 'good', 'pair', 'pair') }[name];
    const none = name === 'sliding' ? fate(GONE, GONE) : fate(GONE, GONE, GONE, GONE);
    const good = whole ?? fate('good', 'good', 'pair', 'pair');
    const secrets = (...secret: string[]) => ({ ...mode, secret });
    // A JWT is signed with a key of its own, so its secret may go; what it is renewed with may not.
    const withoutSecret = name === 'jwt' ? fate('good', 'good', GONE, GONE) : none;
    return [
      [`${name}: K1 to K1, K2`, secrets(K1), secrets(K1, K2), good],
      [`${name}: K1, K2 to K2, K1`, secrets(K1, K2), secrets(K2, K1), good],
      [`${name}: K2, K1 to K2`, secrets(K2, K1), secrets(K2), good],
      [`${name}: K2 to K2, K1`, secrets(K2), secrets(K2, K1), good],
      [`${name}: K2, K1 to K1, K2`, secrets(K2, K1), secrets(K1, K2), good],
      [`${name}: K1, K2 to K1`, secrets(K1, K2), secrets(K1), good],
      [`${name}: K1 to K2`, secrets(K1), secrets(K2), withoutSecret],
      [`${name}: K1, K2 to K2`, secrets(K1, K2), secrets(K2), withoutSecret],
      [`${name}: another prefix`, mode, { ...mode, tokenPrefix: 'app' }, withoutSecret],
      [`${name}: an idle timeout`, mode, { ...mode, idleTimeout: '30m' }, good],
      [`${name}: no idle timeout`, { ...mode, idleTimeout: '30m' }, mode, good],
    ] as const;
  }),
];

describe.each(serviceKinds)('a deploy with another configuration on $name', ({ create }) => {
  let database: TestDatabase;
  let clock: ManualClock;
  let user = 0;

  beforeAll(async () => (database = await create()));
  beforeEach(() => void (clock = new ManualClock(Date.UTC(2026, 0, 15, 12))));
  afterAll(() => database.drop());

  /** One deploy: boots with the options, does what it is asked, and leaves. */
  async function deploy<T>(options: Options, work: (services: Services, runtime: SessionRuntime) => Promise<T>) {
    const timing = { activityFlush: '5m', sweep: '1h' } as const;
    const given = { database: database.options, clock, policy: multiDevice(), timing, ...options };
    const node = await startSessions(given);
    try {
      return await work(node, node.context.get(SessionRuntime, { strict: false }));
    } finally {
      await node.close();
    }
  }

  /** The code of the refusal, or 'good', or 'renewed'. What it gives out is accepted where it was given out. */
  async function access(tokens: TokenService, token: string | undefined): Promise<string> {
    if (token === undefined) return '-';
    const answer = await tokens.verify(token);
    if (answer.status === 'INVALID') return answer.reason;
    if (answer.status === 'UNKNOWN') return 'UNKNOWN';
    if (!answer.renewed) return 'good';
    expect(await tokens.verify(answer.renewed.accessToken)).toMatchObject({ status: 'VALID' });
    return 'renewed';
  }

  async function refresh(tokens: TokenService, token: string | undefined): Promise<string> {
    if (token === undefined) return '-';
    const given = await tokens.refresh(token).catch((error: { code: string }) => error.code);
    if (typeof given === 'string') return given;
    expect(await tokens.verify(given.accessToken)).toMatchObject({ status: 'VALID' });
    // A retry gets the same, and what came with it works as well.
    expect(await tokens.refresh(token)).toMatchObject({ accessToken: given.accessToken });
    if (given.refreshToken === undefined) return 'access';
    const next = await tokens.refresh(given.refreshToken);
    expect(await tokens.verify(next.accessToken)).toMatchObject({ status: 'VALID' });
    return 'pair';
  }

  async function successorOf(tokens: TokenService, { accessToken, refreshToken }: LoginResult) {
    if (refreshToken !== undefined) return tokens.refresh(refreshToken);
    const answer = await tokens.verify(accessToken);
    return answer.status === 'VALID' ? answer.renewed : undefined;
  }

  it.each(CHANGES)('%s', async (_name, before, after, expected) => {
    const name = `user-${user++}`;
    const held = await deploy(before, async ({ tokens }) => {
      const [used, lost, ended] = [await tokens.login(name), await tokens.login(name), await tokens.login(name)];
      await tokens.logout(ended.accessToken);
      clock.advance(2 * MINUTE);
      const successor = await successorOf(tokens, lost);
      return { used, lost, ended, successor };
    });
    await deploy(after, async ({ tokens, sessions, operators }) => {
      const { used, lost, ended, successor } = held;
      const late = successor && (await access(tokens, lost.accessToken));
      expect({
        access: await access(tokens, used.accessToken),
        late: late ?? '-',
        refresh: await refresh(tokens, used.refreshToken),
        retry: await refresh(tokens, successor && lost.refreshToken),
      }).toEqual(expected);
      // The other half of a pair whose reply was lost fares like any.
      if (successor && late !== 'renewed') expect(await access(tokens, successor.accessToken)).toBe(expected.access);
      const known = expected.access === GONE ? GONE : 'SESSION_LOGGED_OUT';
      expect(await access(tokens, ended.accessToken)).toBe(known);
      if (ended.refreshToken) {
        const refused = expected.refresh === GONE ? GONE : 'SESSION_LOGGED_OUT';
        expect(await refresh(tokens, ended.refreshToken)).toBe(refused);
      }
      expect((await sessions.list(name)).map(({ id }) => id).sort()).toEqual([used.session.id, lost.session.id].sort());
      const login = await tokens.login(name);
      expect(await access(tokens, login.accessToken)).toBe('good');
      expect(await operators.kickUser(name, { by: 'root' })).toBe(3);
    });
  });

  it.each([
    ['sliding', MODES.sliding, 'good', '-'],
    ['refresh', MODES.refresh, 'good', GONE],
  ])('that took back a key leaves the tokens before it: %s', async (_name, mode, late, retry) => {
    const secrets = (...secret: string[]) => ({ ...mode, secret });
    const login = await deploy(secrets(K1), ({ tokens }) => tokens.login('rollback'));
    clock.advance(2 * MINUTE);
    const successor = await deploy(secrets(K2, K1), ({ tokens }) => successorOf(tokens, login));
    await deploy(secrets(K1), async ({ tokens }) => {
      expect(await access(tokens, login.accessToken)).toBe(late);
      expect(await refresh(tokens, login.refreshToken)).toBe(retry);
      expect(await access(tokens, successor!.accessToken)).toBe(GONE);
    });
    await deploy(secrets(K2, K1), async ({ tokens }) => {
      expect(await access(tokens, successor!.accessToken)).not.toBe(GONE);
    });
  });

  it('ends a session with its last token, though it had one that would have lived longer', async () => {
    const { refreshToken } = await deploy(MODES.refresh, ({ tokens }) => tokens.login('changer'));
    const limited = { ...MODES.sliding, policy: multiDevice({ max: 1, overflow: 'reject' }) };
    await deploy(limited, async ({ tokens, sessions }) => {
      const { accessToken } = await tokens.refresh(refreshToken);
      expect(await sessions.list('changer')).toHaveLength(1);
      expect(await access(tokens, accessToken)).toBe('good');
      // A client may keep the refresh token, since it got no other. That is no theft, and ends nothing.
      clock.advance(MINUTE);
      expect(await refresh(tokens, refreshToken)).toBe('TOKEN_EXPIRED');
      const renewed = await tokens.verify(accessToken);
      expect(renewed).toMatchObject({ status: 'VALID' });
      clock.advance(2 * HOUR);
      expect(await access(tokens, accessToken)).toBe('TOKEN_EXPIRED');
      expect(await sessions.list('changer')).toEqual([]);
      await tokens.login('changer');
    });
  });

  it.each([
    ['from one to several', singleDevice(), multiDevice({ max: 2 }), 1, 0],
    ['from several to one', multiDevice(), singleDevice(), 3, 3],
    ['to fewer', multiDevice({ max: 3 }), multiDevice({ max: 2 }), 3, 2],
    ['to one of each type', multiDevice(), oneDevicePerType(), 3, 3],
    ['from one of each type', oneDevicePerType(), multiDevice(), 1, 0],
    ['to a limit that refuses', multiDevice(), multiDevice({ max: 2, overflow: 'reject' }), 3, null],
  ])(
    'with another policy leaves all as they are until the next login: %s',
    async (_name, before, after, live, ended) => {
      const name = `user-${user++}`;
      const held = await deploy({ ...MODES.refresh, policy: before }, async ({ tokens }) => {
        const logins: LoginResult[] = [];
        for (let time = 0; time < live; time++) logins.push(await tokens.login(name, { deviceType: 'phone' }));
        for (const { accessToken } of logins) await tokens.verify(accessToken);
        return logins;
      });
      await deploy({ ...MODES.refresh, policy: after }, async ({ tokens, sessions }) => {
        for (const { accessToken } of held) expect(await access(tokens, accessToken)).toBe('good');
        expect(await sessions.list(name)).toHaveLength(live);
        const login = await tokens.login(name, { deviceType: 'phone' }).catch(() => null);
        expect(login?.ended.length ?? null).toBe(ended);
        const left = (await sessions.list(name)).map(({ id }) => id);
        for (const { accessToken, session } of held) {
          expect(await access(tokens, accessToken)).toBe(left.includes(session.id) ? 'good' : 'SESSION_REPLACED');
        }
      });
    },
  );

  it('with an idle timeout ends what was not used for so long, for good; without one, nothing more', async () => {
    const tokens = accessAndRefresh({ access: '2h' });
    const [asked, quiet, used] = await deploy({ tokens }, async ({ tokens: before }) => {
      const logins = [await before.login('a'), await before.login('a'), await before.login('a')] as const;
      clock.advance(HOUR);
      await before.verify(logins[2].accessToken);
      return logins;
    });
    await deploy({ tokens, idleTimeout: '20m' }, async ({ tokens: after }) => {
      expect(await access(after, used.accessToken)).toBe('good');
      expect(await access(after, asked.accessToken)).toBe('SESSION_IDLE');
    });
    await deploy({ tokens }, async ({ tokens: after }) => {
      const fates = [asked, quiet, used].map(({ accessToken }) => access(after, accessToken));
      expect(await Promise.all(fates)).toEqual(['SESSION_IDLE', 'good', 'good']);
      expect(await refresh(after, asked.refreshToken)).toBe('SESSION_IDLE');
    });
    await deploy({ tokens, idleTimeout: '20m' }, async ({ sessions }, runtime) => {
      clock.advance(HOUR - MINUTE);
      await runtime.sweep();
      expect(await sessions.list('a')).toEqual([]);
    });
  });
});
