import { createHmac, generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, Module, UseGuards } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { CompactSign } from 'jose';
import { AuthGuard, CurrentUser, SessionModule, TokenService, singleDevice } from 'nestjs-latchkey';
import { type JwtOptions, jwks, jwksController, jwt, verifyOffline } from 'nestjs-latchkey/jwt';
import { ManualClock } from 'nestjs-latchkey/testing';
import { JwtAccessTokens } from 'lib/jwt-access-tokens.js';
import { JwtKeys } from 'lib/jwt-keys.js';
import { type TestDatabase, createSqlite } from '../support/databases.js';
import { type HttpApp, adapters, sessionOptions, startApp } from '../nest/http-app.js';
import { type Sessions, startSessions } from '../support/sessions.js';

const START = Date.UTC(2026, 10, 1);
const ed25519 = () => generateKeyPairSync('ed25519');
const pem = (key: ReturnType<typeof ed25519>['privateKey']) => key.export({ type: 'pkcs8', format: 'pem' }) as string;
const [K1, K2] = [ed25519(), ed25519()];
const SECRET = 'a secret for HS256, of thirty-two bytes or more';
const LONG = `${SECRET}, and for HS512 of sixty-four bytes or more`;
const names = { issuer: 'https://issuer.example', audience: 'api' };
const one: JwtOptions = { ...names, keys: [{ kid: 'one', privateKey: pem(K1.privateKey) }] };

const hs256: JwtOptions = { ...names, algorithm: 'HS256', keys: [{ kid: 'one', secret: SECRET }] };

const keyed = { generation: 7, keyId: 'k' };
const source = { ...keyed, sessionId: '0123456789abcdef0123456789abcdef', secret: Buffer.alloc(32, 9) };
const pair = {
  ...{ ...keyed, signingKeyId: 'one', accessHash: '', refreshHash: null, refreshExpiresAt: null },
  issuedAt: START + 999,
  accessExpiresAt: START + 60_999,
};
const facts = { userId: 'alice', pair };
const formatOf = (options: JwtOptions = one) =>
  new JwtAccessTokens(new JwtKeys(options.algorithm ?? 'EdDSA', options.keys), options);
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
type Part = Record<string, unknown>;
const partsOf = (token: string): [header: Part, payload: Part] => {
  const [header, payload] = token.split('.').map((text) => Buffer.from(text, 'base64url').toString());
  return [JSON.parse(header!) as Part, JSON.parse(payload!) as Part];
};
const sign = (header: object, payload: object, key: Parameters<CompactSign['sign']>[0] = K1.privateKey) =>
  new CompactSign(Buffer.from(JSON.stringify(payload))).setProtectedHeader(header as { alg: string }).sign(key);
/** The same bytes in another spelling: the last character of 64 bytes has four bits that say nothing. */
const twinOf = (token: string) => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return token.slice(0, -1) + alphabet[alphabet.indexOf(token.at(-1)!) ^ 1];
};
/** Signed with the text of our public key, as if that were a secret. */
const confusedOf = (header: object, payload: object) => {
  const text = `${part({ ...header, alg: 'HS256' })}.${part(payload)}`;
  const publicPem = K1.publicKey.export({ type: 'spki', format: 'pem' });
  return `${text}.${createHmac('sha256', publicPem).update(text).digest('base64url')}`;
};
const freshFacts = () => {
  const issuedAt = Math.floor(Date.now() / 1000) * 1000;
  return { ...facts, pair: { ...pair, issuedAt, accessExpiresAt: issuedAt + 3_600_000 } };
};
const codeIs = (code: string) => expect.objectContaining({ code });
const refuses = (token: unknown, options: Parameters<typeof verifyOffline>[1], code = 'TOKEN_INVALID') =>
  expect(verifyOffline(token, options)).rejects.toMatchObject({ code });

describe('the configuration of jwt', () => {
  it.each<[string, unknown, RegExp]>([
    ['more audiences than a token can hold', { ...one, audience: Array(16).fill('é'.repeat(200)) }, /tokens\.audience/],
    ['one name for two keys', { ...one, keys: [...one.keys, ...one.keys] }, /keys\[1\]\.kid/],
    ['a key that is none', { ...one, keys: [{ kid: 'one', privateKey: 'secret text' }] }, /keys\[0\]\.privateKey/],
    ['a public key in front', { ...one, keys: [{ kid: 'one', publicKey: K1.publicKey }] }, /keys\[0\]/],
    [
      'a public key as private one',
      { ...one, keys: [{ kid: 'one', privateKey: K1.publicKey }] },
      /keys\[0\]\.privateKey/,
    ],
    [
      'an RSA key',
      { ...one, keys: [{ kid: 'r', privateKey: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey }] },
      /Ed25519/,
    ],
    ['a secret for EdDSA', { ...one, keys: [{ kid: 'one', secret: SECRET }] }, /keys\[0\]/],
    ['a short secret', { ...one, algorithm: 'HS256', keys: [{ kid: 'one', secret: 'short' }] }, /32 bytes/],
    ['a private key for HS256', { ...one, algorithm: 'HS256' }, /HS256/],
    ['a grace longer than the access life', { ...one, access: '10s', grace: '1m' }, /tokens\.grace/],
  ])('refuses %s', (_name, options, message) => {
    const refused = expect.objectContaining({ code: 'CONFIGURATION_INVALID', message: expect.stringMatching(message) });
    expect(() => jwt(options as JwtOptions)).toThrow(refused);
    expect(() => jwt(options as JwtOptions)).not.toThrow(/secret text|PRIVATE/);
  });

  it('A113: the mode shows nothing of its keys', () => {
    const mode = jwt(one);
    expect(JSON.stringify(mode)).not.toMatch(/PRIVATE|"d"/);
    expect(JSON.stringify(jwks(mode))).not.toMatch(/"d"/);
  });
});

describe('a JWT', () => {
  const format = formatOf();

  it('says what RFC 9068 asks for, and is the same for the same session and generation', async () => {
    const token = await format.write(source, facts);
    expect(await formatOf().write(source, facts)).toBe(token);
    const [header, payload] = partsOf(token);
    expect(header).toEqual({ alg: 'EdDSA', kid: 'one', typ: 'at+jwt' });
    expect(payload).toEqual({
      iss: names.issuer,
      sub: 'alice',
      aud: 'api',
      iat: START / 1000,
      exp: START / 1000 + 60,
      jti: expect.stringMatching(/^[\w-]{40}$/),
      sid: source.sessionId,
    });
    const { sessionId, generation } = source;
    expect(format.read(token)).toEqual({ sessionId, generation, hash: format.hashOf(source) });
    expect(await format.isAuthentic(token)).toBe(true);
    const secret = Buffer.from(Array.from({ length: 32 }, (_, index) => index * 7 + 1));
    const [, { jti }] = partsOf(await format.write({ ...source, secret }, facts));
    for (let at = 0; at <= 28; at++) {
      expect(Buffer.from(jti as string, 'base64url').includes(secret.subarray(at, at + 4))).toBe(false);
    }
  });

  it('A5: has one spelling: any other is no token', async () => {
    const token = await format.write(source, facts);
    const others = [`${token}=`, `${token}.`, ` ${token}`, token.replace('.', '..'), token.slice(0, -86)];
    for (const other of [twinOf(token), ...others]) {
      expect([format.read(other), await format.isAuthentic(other)]).toEqual([null, false]);
    }
  });

  it('is refused in every form that is not exactly ours', async () => {
    const token = await format.write(source, facts);
    const [header, payload] = partsOf(token);
    const signature = token.split('.')[2]!;
    const changes = [{ sub: 'admin' }, { iss: 'https://other.example' }, { aud: ['api'] }, { sid: '../1' }, { jti: 7 }];
    const heads = [
      ...[{ alg: 'none' }, { kid: 'two' }, { typ: 'JWT' }, { crit: ['exp'] }],
      { jwk: K2.publicKey.export({ format: 'jwk' }) },
    ];
    const forged = [
      `${part({ ...header, alg: 'none' })}.${part(payload)}.`,
      confusedOf(header, payload),
      ...heads.map((change) => `${part({ ...header, ...change })}.${part(payload)}.${signature}`),
      ...changes.map((change) => `${part(header)}.${part({ ...payload, ...change })}.${signature}`),
      `${part([header])}.${part(payload)}.${signature}`,
      `${part(header)}.${part(null)}.${signature}`,
      `${Buffer.from([0xff]).toString('base64url')}.${part(payload)}.${signature}`,
      ...['..', '', 'a.b.c'],
    ];
    for (const other of forged) {
      expect(format.read(other) !== null && (await format.isAuthentic(other))).toBe(false);
    }
    const foreign = formatOf({ ...one, keys: [{ kid: 'one', privateKey: K2.privateKey }] });
    expect(await format.isAuthentic(await foreign.write(source, facts))).toBe(false);
  });

  it('is refused with our own signature if it is not an access token of this issuer', async () => {
    const [header, payload] = partsOf(await format.write(source, facts));
    expect(format.read(await sign(header, payload))).not.toBeNull();
    for (const more of [{ typ: 'JWT' }, { typ: undefined }, { kid: undefined }, { jku: 'https://thief.example' }]) {
      expect(format.read(await sign({ ...header, ...more }, payload))).toBeNull();
    }
    const jti = Buffer.alloc(29).toString('base64url');
    for (const changed of [{ iss: 'https://other.example' }, { aud: 'other' }, { sid: 'x' }, { jti }, { jti: 7 }]) {
      expect(format.read(await sign(header, { ...payload, ...changed }))).toBeNull();
    }
  });

  it('is read without an exception, whatever is nested in it', () => {
    const list = formatOf({ ...one, audience: ['api', 'web'] });
    const header = part({ alg: 'EdDSA', kid: 'one', typ: 'at+jwt' });
    const claims = `"iss":"${names.issuer}","jti":"${'A'.repeat(40)}","sid":"${source.sessionId}"`;
    const deep = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
    const lists = ['{"length":2,"0":"api","1":"web"}', '"__proto__"'];
    for (const aud of [deep(4470), `{"a":${deep(4460)}}`, `["api",${deep(4460)}]`, ...lists]) {
      const token = `${header}.${Buffer.from(`{"aud":${aud},${claims}}`).toString('base64url')}.AAAA`;
      expect(token.length).toBeLessThanOrEqual(list.maxLength);
      expect([list.read(token), format.read(token)]).toEqual([null, null]);
    }
    const nested = `{"alg":"EdDSA","kid":"one","typ":"at+jwt","x":${deep(4000)}}`;
    expect(format.read(`${Buffer.from(nested).toString('base64url')}.${part({})}.AAAA`)).toBeNull();
  });

  it('of the longest user id is not too long to be read, nor outlives its record', async () => {
    const wide = formatOf({ ...one, issuer: 'i'.repeat(256), audience: Array<string>(6).fill('a'.repeat(256)) });
    // A lone surrogate takes six bytes in JSON.
    const token = await wide.write(source, { ...facts, userId: '\ud800'.repeat(1024) });
    expect(token.length).toBeLessThanOrEqual(wide.maxLength);
    expect(await wide.isAuthentic(token)).toBe(true);
    const [, { exp }] = partsOf(await format.write(source, facts));
    expect((exp as number) * 1000).toBeLessThanOrEqual(pair.accessExpiresAt);
  });

  it('names its audience one by one, in the order of the configuration', async () => {
    const audience = ['api', 'web'];
    const list = formatOf({ ...one, audience });
    const token = await list.write(source, facts);
    expect(list.read(token)).not.toBeNull();
    for (const other of [['web', 'api'], ['api'], ['api', 'web', 'more'], 'api']) {
      expect(formatOf({ ...one, audience: other }).read(token)).toBeNull();
    }
  });

  it('is written and read with HS256 as well', async () => {
    const hs = formatOf(hs256);
    const token = await hs.write(source, facts);
    expect(hs.read(token)).not.toBeNull();
    expect(await hs.isAuthentic(token)).toBe(true);
    expect(format.read(token)).toBeNull();
    const [header, payload] = partsOf(token);
    const longer = await sign({ ...header, alg: 'HS512' }, payload, Buffer.from(LONG));
    const byLong = formatOf({ ...hs256, keys: [{ kid: 'one', secret: LONG }] });
    expect([byLong.read(longer), await byLong.isAuthentic(longer)]).toEqual([null, false]);
    const options = { keys: Buffer.from(SECRET), ...names, clockTolerance: 0 };
    await refuses(token, options, 'TOKEN_EXPIRED');
    const fresh = freshFacts();
    const { issuedAt, accessExpiresAt: expiresAt } = fresh.pair;
    const read = { userId: 'alice', sessionId: source.sessionId, issuedAt, expiresAt };
    expect(await verifyOffline(await hs.write(source, fresh), options)).toEqual(read);
    expect(jwks(jwt(hs256))).toEqual({ keys: [] });
  });

  it('keeps being accepted while its key is listed, and is signed with the key of its record', async () => {
    const token = await format.write(source, facts);
    const two = { kid: 'two', privateKey: K2.privateKey };
    const rotated = formatOf({ ...names, keys: [two, ...one.keys] });
    expect(rotated.signingKeyId).toBe('two');
    expect(await rotated.isAuthentic(token)).toBe(true);
    expect(await rotated.write(source, facts)).toBe(token);
    const later = formatOf({ ...names, keys: [two] });
    expect(later.read(token)).toBeNull();
    await expect(later.write(source, facts)).rejects.toThrow('No signing key one');
  });
});

@Controller()
class MeController {
  @Get('me')
  @UseGuards(AuthGuard)
  me(@CurrentUser('userId') userId: string) {
    return { userId };
  }
}

describe('sessions with JWTs', () => {
  const clock = new ManualClock(START);
  const mode = jwt({ ...one, access: '30m', grace: '30s' });
  let database: TestDatabase;
  let node: Sessions;
  let tokens: TokenService;

  beforeAll(async () => {
    database = await createSqlite();
    node = await startSessions({ database: database.options, tokens: mode, policy: singleDevice(), clock });
    ({ tokens } = node);
  });

  afterAll(async () => {
    await node.close();
    await database.drop();
  });

  it('A6: never take one kind of token for the other', async () => {
    const { accessToken, refreshToken } = await tokens.login('kinds');
    expect(await tokens.verify(refreshToken)).toEqual({ status: 'INVALID', reason: 'TOKEN_INVALID' });
    await expect(tokens.refresh(accessToken)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
  });

  it('A79: give every retry of a refresh the identical pair', async () => {
    const first = await tokens.login('retry');
    const next = await tokens.refresh(first.refreshToken);
    clock.advance(5 * 60_000);
    const again = await tokens.refresh(first.refreshToken);
    expect([again.accessToken, again.refreshToken]).toEqual([next.accessToken, next.refreshToken]);
    expect(next.accessToken).not.toBe(first.accessToken);
    expect((await tokens.verify(next.accessToken)).status).toBe('VALID');
    clock.advance(30_000);
    expect(await tokens.verify(first.accessToken)).toEqual({ status: 'INVALID', reason: 'TOKEN_EXPIRED' });
    await expect(tokens.refresh(first.refreshToken)).rejects.toMatchObject({ code: 'REFRESH_REUSED' });
  });

  it('A6: of one realm are nothing to another with the same keys', async () => {
    const { accessToken } = await tokens.login('realms');
    const other = await startSessions({ database: database.options, tokens: mode, realm: 'others', clock });
    expect(await other.tokens.verify(accessToken)).toEqual({ status: 'INVALID', reason: 'TOKEN_INVALID' });
    await other.close();
  });

  it('refuse a token that carries our signature and was never given out', async () => {
    const { accessToken, session } = await tokens.login('signed');
    const [header, payload] = partsOf(accessToken);
    const jti = Buffer.alloc(30, 1);
    jti.writeUInt32BE(1);
    const forged = await sign(header, { ...payload, jti: jti.toString('base64url') });
    expect(await tokens.verify(forged)).toEqual({ status: 'INVALID', reason: 'TOKEN_INVALID' });
    expect((await node.sessions.find(session.id))?.end).toBeNull();
  });
});

describe.each(adapters)('the JWKS route on $name', (kind) => {
  let server: HttpApp;
  const mode = jwt(one);

  beforeAll(async () => {
    @Module({
      imports: [SessionModule.forRoot(sessionOptions({ tokens: mode }))],
      controllers: [MeController, jwksController(mode)],
      providers: [{ provide: APP_GUARD, useClass: AuthGuard }],
    })
    class Root {}
    server = await startApp(kind, { imports: [Root] });
  });

  afterAll(() => server.close());

  it('is open, and what other services need', async () => {
    const { status, json, headers } = await server.send({ path: '/.well-known/jwks.json' });
    expect(status).toBe(200);
    expect(headers['cache-control']).toBe('public, max-age=300');
    expect(json).toEqual({
      keys: [{ kty: 'OKP', crv: 'Ed25519', x: expect.any(String), kid: 'one', alg: 'EdDSA', use: 'sig' }],
    });
  });

  it('A12: refuses what it does not understand', async () => {
    expect(await server.send({ path: '/.well-known/jwks.json?kid=one' })).toMatchObject({
      status: 400,
      json: { errorCode: 'ARGUMENT_INVALID', message: expect.stringMatching(/^kid /) },
    });
  });

  it('lets verifyOffline accept a token, until it expires, though its session was ended', async () => {
    const { accessToken, accessExpiresAt, refreshToken, session } = await server.tokens.login('alice');
    const options = { keys: `http://127.0.0.1:${server.port}/.well-known/jwks.json`, ...names };
    const expected = { userId: 'alice', sessionId: session.id, issuedAt: expect.any(Number) };
    const expiresAt = Math.floor(accessExpiresAt / 1000) * 1000;
    expect(await verifyOffline(accessToken, options)).toEqual({ ...expected, expiresAt });
    expect((await server.sendWith(accessToken)).json).toEqual({ userId: 'alice' });

    await server.tokens.logout(accessToken);
    expect((await server.sendWith(accessToken)).status).toBe(401);
    expect(await verifyOffline(accessToken, { ...options, keys: jwks(mode) })).toMatchObject(expected);

    for (const bad of [refreshToken, `${accessToken}x`, 'a.b.c', '', 7, null]) await refuses(bad, options);
    await refuses(accessToken, { ...options, audience: 'other' });
    const nowhere = `http://127.0.0.1:${server.port}/nothing`;
    await refuses(accessToken, { ...options, keys: nowhere }, 'SESSION_STORE_UNAVAILABLE');
    await refuses(accessToken, { ...options, keys: 'not an address' }, 'ARGUMENT_INVALID');
  });
});

describe('verifyOffline', () => {
  const options = { keys: jwks(jwt(one)), ...names };
  let token: string;
  beforeAll(async () => (token = await formatOf().write(source, freshFacts())));

  it('accepts one spelling of a token, and no other', async () => {
    expect(await verifyOffline(token, options)).toMatchObject({ userId: 'alice' });
    for (const other of [twinOf(token), `${token}=`, `${token}.`, ` ${token}`]) await refuses(other, options);
  });

  it('never takes the algorithm or the key from the token', async () => {
    const [header, payload] = partsOf(token);
    await refuses(`${part({ ...header, alg: 'none' })}.${part(payload)}.`, options);
    await refuses(confusedOf(header, payload), options);
    const jwk = K2.publicKey.export({ format: 'jwk' });
    await refuses(await sign({ ...header, jwk }, payload, K2.privateKey), options);
    await refuses(await sign({ ...header, typ: 'JWT' }, payload), options);
    await refuses(token, { ...options, keys: Buffer.from(SECRET) });
  });

  it('needs the claims of an access token of ours', async () => {
    const [header, payload] = partsOf(token);
    for (const change of [{ sid: 'x' }, { sid: undefined }, { sub: 7 }, { exp: undefined }, { iat: 'now' }]) {
      await refuses(await sign(header, { ...payload, ...change }), options);
    }
  });
});

describe.each(adapters)('two modules in one application on $name', (kind) => {
  it('have a JWKS route each, and their tokens are nothing to each other', async () => {
    const staff = jwt({ ...one, issuer: 'https://staff.example', keys: [{ kid: 'one', privateKey: K2.privateKey }] });
    const users = jwt(one);
    @Module({
      imports: [SessionModule.forRoot(sessionOptions({ tokens: staff, realm: 'staff' }))],
      controllers: [jwksController(staff, 'staff/jwks.json')],
    })
    class StaffModule {
      constructor(readonly tokens: TokenService) {}
    }
    @Module({
      imports: [SessionModule.forRoot(sessionOptions({ tokens: users })), StaffModule],
      controllers: [MeController, jwksController(users)],
      providers: [{ provide: APP_GUARD, useClass: AuthGuard }],
    })
    class Root {
      constructor(readonly tokens: TokenService) {}
    }
    const server = await startApp(kind, { imports: [Root] });
    try {
      expect((await server.send({ path: '/.well-known/jwks.json' })).json).toEqual(jwks(users));
      expect((await server.send({ path: '/staff/jwks.json' })).json).toEqual(jwks(staff));
      const user = await server.app.get(Root).tokens.login('alice');
      const admin = await server.app.get(StaffModule).tokens.login('alice');
      expect((await server.sendWith(user.accessToken)).status).toBe(200);
      expect((await server.sendWith(admin.accessToken)).json).toMatchObject({ errorCode: 'TOKEN_INVALID' });
    } finally {
      await server.close();
    }
  });
});

it('the JWKS route has a path of its own, and no pattern', () => {
  for (const path of ['', '*', ':id', 'a b', '/', '//a', 7]) {
    expect(() => jwksController(jwt(one), path as string)).toThrow(codeIs('ARGUMENT_INVALID'));
  }
});

it('a mode without JWTs has no key set', () => expect(() => jwks({} as never)).toThrow(codeIs('ARGUMENT_INVALID')));

it('a retry whose signing key is only there to verify is refused, and no error of the server', async () => {
  const database = await createSqlite();
  const old = { kid: 'one', publicKey: K1.publicKey };
  const both = [{ kid: 'two', privateKey: K2.privateKey }, old];
  const before = await startSessions({ database: database.options, tokens: jwt(one) });
  const { refreshToken } = await before.tokens.login('rotated');
  await before.tokens.refresh(refreshToken);
  await before.close();
  const after = await startSessions({ database: database.options, tokens: jwt({ ...one, keys: both }) });
  await expect(after.tokens.refresh(refreshToken)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
  await after.close();
  await database.drop();
});
