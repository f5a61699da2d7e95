import { afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Injectable, UseGuards } from '@nestjs/common';
import { Args, Mutation, Query, Resolver } from '@nestjs/graphql';
import {
  AllowCrossSite,
  AuthGuard,
  CheckBan,
  CurrentSession,
  CurrentUser,
  OptionalAuth,
  Public,
  RequireClaims,
  RequireFresh,
  RequireRole,
  Sensitive,
  SessionError,
  type SessionErrorCode,
  SessionVerifier,
  cookies,
  sliding,
} from 'nestjs-latchkey';
import { ManualClock } from 'nestjs-latchkey/testing';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { HTTPS, SAME_ORIGIN } from '../../test/nest/cookie-app.js';
import { Verifier } from 'lib/verifier.js';
import { useApp } from '../../test/nest/http-app.js';
import { AccountsResolver } from './accounts.resolver.js';
import { type GraphqlAnswer, bearer, drivers, graphqlAnswer, startGraphql } from './test-app.js';

const text = [() => String, { nullable: true }] as const;

/** Accepts a session by hand. */
@Injectable()
class ComposedGuard implements CanActivate {
  constructor(private readonly sessions: SessionVerifier) {}

  async canActivate(context: ExecutionContext) {
    return this.sessions.admit(context, await this.sessions.verify(context));
  }
}

/** Makes passport judge. */
@Injectable()
class HookedGuard extends AuthGuard {
  override handleRequest<T>(error: unknown, user: T, info: unknown, context: ExecutionContext): T {
    return super.handleRequest(error, user, info, context);
  }
}

@Resolver()
@UseGuards(AuthGuard)
class RulesResolver {
  @Query(...text)
  mine(@CurrentUser('userId') userId: string | null) {
    return userId;
  }

  @Query(...text)
  session(
    @CurrentSession('userId') userId: string | null,
    @Args('user', { nullable: true, type: () => String }) _: unknown,
  ) {
    return userId;
  }

  @OptionalAuth()
  @Query(...text)
  optional(@CurrentUser('userId') userId: string | null) {
    return userId ?? 'nobody';
  }

  @Sensitive()
  @Query(...text)
  sensitive(@CurrentUser('userId') userId: string) {
    return userId;
  }

  @RequireRole('auditor')
  @Query(...text)
  audited() {
    return 'yes';
  }

  @RequireClaims({ plan: 'pro' })
  @Query(...text)
  pro() {
    return 'yes';
  }

  @RequireFresh('10m')
  @Query(...text)
  fresh() {
    return 'yes';
  }

  @RequireFresh('10m', { amr: ['mfa'] })
  @Query(...text)
  proved() {
    return 'yes';
  }

  @CheckBan('comment')
  @Query(...text)
  comment() {
    return 'yes';
  }

  @AllowCrossSite()
  @Query(...text)
  anywhere() {
    return 'yes';
  }

  @Mutation(...text)
  act(@CurrentUser('userId') userId: string) {
    return userId;
  }

  @Public()
  @Query(...text)
  failing(@Args('code') code: string) {
    throw new SessionError(code as SessionErrorCode);
  }
}

@Resolver()
class ComposedResolver {
  @UseGuards(ComposedGuard)
  @Query(...text)
  composed(@CurrentUser('userId') userId: string) {
    return userId;
  }

  @UseGuards(HookedGuard)
  @Query(...text)
  hooked(@CurrentUser('userId') userId: string) {
    return userId;
  }
}

const resolvers = [AccountsResolver, RulesResolver, ComposedResolver];
const refusal = (code: string, errorCode: string, status: number) => ({ code, errorCode, status });
const refusals = ({ errors = [] }: GraphqlAnswer) => errors.map(({ path, extensions }) => [path[0], extensions]);

describe.each(drivers)('GraphQL by $name', (driver) => {
  const clock = new ManualClock(Date.now());
  const tokens = sliding({ ttl: '2h', renewWithin: '5m' });
  const app = useApp(() => startGraphql(driver, resolvers, { sessions: { clock, tokens } }));
  const ask = async (token: string, query: string | readonly string[]) => app.query(query, bearer(token));
  const login = async (user: string, claims = {}) => (await app.tokens.login(user, { claims })).accessToken;
  afterEach(() => void jest.restoreAllMocks());

  it('gives a token by a mutation, and the user of the token to resolvers', async () => {
    const { data } = await app.query('mutation { login(name: "alice") }');
    const accessToken = data!.login as string;
    const answer = await ask(accessToken, '{ public me { userId } mine session optional }');
    const alice = {
      public: 'open to all',
      me: { userId: 'alice' },
      mine: 'alice',
      session: 'alice',
      optional: 'alice',
    };
    expect(answer).toMatchObject({ status: 200, data: alice });
    expect(answer.errors).toBeUndefined();
  });

  it('answers public and optional fields beside protected ones that have no token', async () => {
    const answer = await app.query('{ public optional me { userId } mine }');
    expect(answer).toMatchObject({
      status: 200,
      data: { public: 'open to all', optional: 'nobody', me: null, mine: null },
    });
    const missing = expect.objectContaining(refusal('UNAUTHENTICATED', 'TOKEN_MISSING', 401));
    expect(new Map(refusals(answer) as [string, unknown][])).toEqual(
      new Map([
        ['me', missing],
        ['mine', missing],
      ]),
    );
    expect(answer.headers).not.toHaveProperty('www-authenticate');
  });

  it('refuses a kicked token in every field that reads it, with the reason and the time', async () => {
    const { accessToken, session } = await app.tokens.login('kicked');
    await app.operators.kick(session.id, { by: 'root' });
    const answer = await ask(accessToken, '{ public optional mine composed hooked }');
    const kicked = { ...refusal('UNAUTHENTICATED', 'SESSION_KICKED', 401), endedAt: expect.any(String) };
    expect(answer.data).toMatchObject({ public: 'open to all', mine: null });
    expect(
      refusals(answer)
        .map(([path]) => path)
        .sort(),
    ).toEqual(['composed', 'hooked', 'mine', 'optional']);
    for (const [, extensions] of refusals(answer)) expect(extensions).toMatchObject(kicked);
  });

  it.each([
    ['a role', 'audited', {}, { ...refusal('FORBIDDEN', 'FORBIDDEN', 403), missing: { roles: ['auditor'] } }],
    ['a claim', 'pro', {}, { ...refusal('FORBIDDEN', 'FORBIDDEN', 403), missing: { claims: { plan: 'pro' } } }],
    ['a fresh login', 'fresh', {}, { ...refusal('FORBIDDEN', 'FRESH_LOGIN_REQUIRED', 403), maxAge: 600 }],
    ['no ban', 'comment', {}, { ...refusal('FORBIDDEN', 'SERVICE_BANNED', 403), service: 'comment', level: 1 }],
  ])('enforces rules: %s', async (_title, field, claims, extensions) => {
    const user = `user of ${field}`;
    const good = await login(user, { roles: ['auditor'], plan: 'pro' });
    expect((await ask(good, `{ ${field} }`)).data).toEqual({ [field]: 'yes' });
    const bad = await login(user, claims);
    await app.operators.ban(user, { by: 'root', service: 'comment' });
    clock.advance(11 * 60_000);
    expect(refusals(await ask(bad, `{ ${field} }`))).toEqual([[field, expect.objectContaining(extensions)]]);
  });

  it('enforces methods of authentication by the last one', async () => {
    const { accessToken, session } = await app.tokens.login('proved', { amr: ['pwd'] });
    const extensions = { ...refusal('FORBIDDEN', 'FRESH_LOGIN_REQUIRED', 403), maxAge: 600, amr: ['mfa'] };
    expect(refusals(await ask(accessToken, '{ proved }'))).toEqual([['proved', expect.objectContaining(extensions)]]);
    await app.sessions.reauthenticate(session.id, { amr: ['pwd', 'mfa'] });
    expect((await ask(accessToken, '{ proved fresh }')).data).toEqual({ proved: 'yes', fresh: 'yes' });
    await app.sessions.reauthenticate(session.id, { amr: ['pwd'] });
    expect((await ask(accessToken, '{ proved fresh }')).data).toEqual({ proved: null, fresh: 'yes' });
  });

  it.each([
    ['SESSION_LIMIT_REACHED', 'INTERNAL_SERVER_ERROR', 409],
    ['SESSION_STORE_UNAVAILABLE', 'INTERNAL_SERVER_ERROR', 503],
    ['TOKEN_MALFORMED', 'BAD_REQUEST', 400],
    ['SERVICE_BANNED', 'FORBIDDEN', 403],
    ['SESSION_KICKED', 'UNAUTHENTICATED', 401],
  ])('keeps the code of an error that a resolver throws: %s', async (errorCode, code, status) => {
    const answer = await app.query(`{ public failing(code: "${errorCode}") }`);
    expect(answer).toMatchObject({ status: 200, data: { public: 'open to all', failing: null } });
    expect(refusals(answer)).toEqual([['failing', expect.objectContaining({ code, errorCode, status })]]);
  });

  it.each([
    ['parallel fields', '{ a: mine b: mine session optional me { userId } }', 1],
    ['guards of other kinds', '{ mine composed hooked }', 1],
    ['a batch', ['{ mine session }', '{ mine me { userId } }'], 1],
    ['strict fields apart from others', '{ mine a: sensitive b: sensitive }', 2],
    ['a strict field before others', '{ sensitive mine session }', 1],
    ['a refused token', '{ a: mine b: mine }', 1],
  ])('looks the token up once: %s', async (title, query, expected) => {
    const isRefused = title === 'a refused token';
    const token = await login('counted');
    if (isRefused) await app.tokens.logout(token);
    for (let operations = 1; operations <= 2; operations++) {
      const verify = jest.spyOn(Verifier.prototype, 'verify');
      const answer = await ask(token, query);
      expect(answer.text).not.toMatch(isRefused ? /"counted"/ : /"errors"|null/);
      expect(verify).toHaveBeenCalledTimes(expected);
      jest.restoreAllMocks();
    }
  });

  it('hands a renewed token to the client once, in a header', async () => {
    const token = await login('renewed');
    clock.advance(116 * 60_000);
    const { data, headers } = await ask(token, '{ a: mine b: mine sensitive composed hooked }');
    expect(data).toEqual({ a: 'renewed', b: 'renewed', sensitive: 'renewed', composed: 'renewed', hooked: 'renewed' });
    const renewed = headers['x-renewed-token']!;
    expect(renewed).toMatch(/^ses_at_[\w-]+$/);
    expect(headers).toMatchObject({
      'access-control-expose-headers': 'X-Renewed-Token, X-Renewed-Token-Expires-In',
      'cache-control': 'no-store',
    });
    expect((await ask(renewed, '{ mine }')).data).toEqual({ mine: 'renewed' });
  });

  it('takes no token and no user from a query, from variables or from the body', async () => {
    const token = await login('victim');
    const forged = { userId: 'victim', authorization: `Bearer ${token}`, token, access_token: token };
    const body = {
      query: '{ mine session(user: "victim") }',
      variables: forged,
      extensions: forged,
      ...forged,
      user: forged,
    };
    const lines = ['Content-Type: application/json', 'Apollo-Require-Preflight: 1'];
    const path = `/graphql?access_token=${token}&authorization=Bearer%20${token}`;
    const posted = await app.send({ method: 'POST', path, lines, body: JSON.stringify(body) });
    const got = await app.send({ path: `${path}&query=${encodeURIComponent('{ mine session }')}`, lines });
    for (const answer of [posted, got].map(graphqlAnswer)) {
      expect(answer.data).toEqual({ mine: null, session: null });
      expect(refusals(answer).map(([, extensions]) => (extensions as { errorCode: string }).errorCode)).toEqual([
        'TOKEN_MISSING',
        'TOKEN_MISSING',
      ]);
    }
  });
});

describe.each(drivers)('GraphQL with cookies by $name', (driver) => {
  const clock = new ManualClock(Date.now());
  const transport = cookies({ trustedOrigins: ['https://app.example.com'] });
  const app = useApp(() => startGraphql(driver, resolvers, { sessions: { clock, transport } }));
  let cookie: string;
  beforeAll(async () => {
    cookie = `Cookie: __Host-session=${(await app.tokens.login('alice')).accessToken}`;
  });
  const CROSS_SITE = [...HTTPS, 'Sec-Fetch-Site: cross-site', 'Origin: https://evil.example'];

  it('accepts the cookie from its own site and from trusted ones', async () => {
    const trusted = [...HTTPS, 'Sec-Fetch-Site: cross-site', 'Origin: https://app.example.com'];
    for (const lines of [SAME_ORIGIN, trusted]) {
      const answer = await app.query('mutation { act }', cookie, ...lines);
      expect(answer).toMatchObject({ data: { act: 'alice' }, headers: { vary: expect.stringContaining('Cookie') } });
      expect(answer.headers['cache-control']).toMatch(/private|no-store/);
    }
  });

  it('refuses a POST of another site, but for fields that allow it, and lets a GET pass', async () => {
    const fields = await app.query('{ anywhere mine again: anywhere }', cookie, ...CROSS_SITE);
    expect(fields.data).toEqual({ anywhere: 'yes', mine: null, again: 'yes' });
    expect(refusals(fields)).toEqual([
      ['mine', expect.objectContaining(refusal('FORBIDDEN', 'CROSS_SITE_REQUEST', 403))],
    ]);
    const path = `/graphql?query=${encodeURIComponent('{ mine }')}`;
    const got = await app.send({ path, lines: [cookie, ...CROSS_SITE, 'Apollo-Require-Preflight: 1'] });
    expect(graphqlAnswer(got).data).toEqual({ mine: 'alice' });
  });

  it('hands a renewed token to the client once, in a cookie', async () => {
    clock.advance(116 * 60_000);
    const { headers } = await app.query('{ a: mine b: mine composed }', cookie, ...SAME_ORIGIN);
    expect(headers['set-cookie']).toMatch(/^__Host-session=ses_at_[^\n]*$/);
    expect(headers).not.toHaveProperty('x-renewed-token');
  });
});
