import { createHmac, generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, Module, UseGuards } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { CompactSign, SignJWT } from 'jose';
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

const source = {
  sessionId: '0123456789abcdef0123456789abcdef',
  generation: 7,
  keyId: 'k',
  secret: Buffer.alloc(32, 9),
};
const pair = {
  generation: 7,
  keyId: 'k',
  signingKeyId: 'one',
  issuedAt: START + 999,
  accessHash: '',
  accessExpiresAt: START + 60_999,
  refreshHash: null,
  refreshExpiresAt: null,
};
const facts = { userId: 'alice', realm: 'users', pair };
const formatOf = (options: JwtOptions = one) =>
  new JwtAccessTokens(new JwtKeys(options.algorithm ?? 'EdDSA', options.keys), options);
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const partsOf = (token: string) =>
  token
    .split('.')
    .slice(0, 2)
    .map((text) => JSON.parse(Buffer.from(text, 'base64url').toString()) as Record<string, unknown>) as [
    Record<string, unknown>,
    Record<string, unknown>,
  ];

describe('the configuration of jwt', () => {
  it.each<[string, unknown, RegExp]>([
    ['no options', undefined, /"tokens" must be an object/],
    ['an unknown option', { ...one, expiresIn: '1h' }, /tokens\.expiresIn/],
    ['no key', { ...one, keys: [] }, /tokens\.keys/],
    ['no issuer', { ...one, issuer: '' }, /tokens\.issuer/],
    ['no audience', { ...one, audience: [] }, /tokens\.audience/],
    ['more audiences than a token can hold', { ...one, audience: Array(16).fill('é'.repeat(200)) }, /tokens\.audience/],
    ['another algorithm', { ...one, algorithm: 'RS256' }, /tokens\.algorithm/],
    ['none as algorithm', { ...one, algorithm: 'none' }, /tokens\.algorithm/],
    ['one name for two keys', { ...one, keys: [...one.keys, ...one.keys] }, /keys\[1\]\.kid/],
    ['a key without name', { ...one, keys: [{ privateKey: K1.privateKey }] }, /keys\[0\]\.kid/],
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
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const last = alphabet.indexOf(token.at(-1)!);
    // The last character of 64 bytes has four bits that say nothing.
    const twin = token.slice(0, -1) + alphabet[last ^ 1];
    for (const other of [twin, `${token}=`, `${token}.`, ` ${token}`, token.replace('.', '..'), token.slice(0, -86)]) {
      expect([format.read(other), await format.isAuthentic(other)]).toEqual([null, false]);
    }
  });

  it('is refused in every form that is not exactly ours', async () => {
    const token = await format.write(source, facts);
    const [header, payload] = partsOf(token);
    const signature = token.split('.')[2]!;
    const publicPem = K1.publicKey.export({ type: 'spki', format: 'pem' }) as string;
    const hmac = (text: string, key: string) => `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
    const forged = [
      `${part({ ...header, alg: 'none' })}.${part(payload)}.`,
      `${part({ ...header, alg: 'none' })}.${part(payload)}.${signature}`,
      hmac(`${part({ ...header, alg: 'HS256' })}.${part(payload)}`, publicPem),
      `${part({ ...header, kid: 'two' })}.${part(payload)}.${signature}`,
      `${part({ ...header, typ: 'JWT' })}.${part(payload)}.${signature}`,
      `${part({ ...header, jwk: K2.publicKey.export({ format: 'jwk' }) })}.${part(payload)}.${signature}`,
      `${part({ ...header, crit: ['exp'] })}.${part(payload)}.${signature}`,
      `${part(header)}.${part({ ...payload, sub: 'admin' })}.${signature}`,
      `${part(header)}.${part({ ...payload, iss: 'https://other.example' })}.${signature}`,
      `${part(header)}.${part({ ...payload, aud: ['api'] })}.${signature}`,
      `${part(header)}.${part({ ...payload, sid: '../1' })}.${signature}`,
      `${part(header)}.${part({ ...payload, jti: 7 })}.${signature}`,
      `${part([header])}.${part(payload)}.${signature}`,
      `${part(header)}.${part(null)}.${signature}`,
      `${Buffer.from([0xff]).toString('base64url')}.${part(payload)}.${signature}`,
      '..',
      '',
      'a.b.c',
    ];
    for (const other of forged) {
      expect(format.read(other) !== null && (await format.isAuthentic(other))).toBe(false);
    }
    const foreign = formatOf({ ...one, keys: [{ kid: 'one', privateKey: K2.privateKey }] });
    expect(await format.isAuthentic(await foreign.write(source, facts))).toBe(false);
  });

  it('is refused with our own signature if it is not an access token of this issuer', async () => {
    const [header, payload] = partsOf(await format.write(source, facts));
    const sign = (more: object, changed: object = {}) =>
      new CompactSign(Buffer.from(JSON.stringify({ ...payload, ...changed })))
        .setProtectedHeader({ ...header, ...more } as { alg: string })
        .sign(K1.privateKey);
    expect(format.read(await sign({}))).not.toBeNull();
    for (const more of [{ typ: 'JWT' }, { typ: undefined }, { kid: undefined }, { jku: 'https://thief.example' }]) {
      expect(format.read(await sign(more))).toBeNull();
    }
    const jti = Buffer.alloc(29).toString('base64url');
    for (const changed of [{ iss: 'https://other.example' }, { aud: 'other' }, { sid: 'x' }, { jti }, { jti: 7 }]) {
      expect(format.read(await sign({}, changed))).toBeNull();
    }
  });

  it('is read without an exception, whatever is nested in it', () => {
    const list = formatOf({ ...one, audience: ['api', 'web'] });
    const header = part({ alg: 'EdDSA', kid: 'one', typ: 'at+jwt' });
    const claims = `"iss":"${names.issuer}","jti":"${'A'.repeat(40)}","sid":"${source.sessionId}"`;
    const deep = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
    for (const aud of [
      deep(4470),
      `{"a":${deep(4460)}}`,
      `["api",${deep(4460)}]`,
      '{"length":2,"0":"api","1":"web"}',
      '"__proto__"',
    ]) {
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
    const hs = formatOf({ ...names, algorithm: 'HS256', keys: [{ kid: 'one', secret: SECRET }] });
    const token = await hs.write(source, facts);
    expect(hs.read(token)).not.toBeNull();
    expect(await hs.isAuthentic(token)).toBe(true);
    expect(format.read(token)).toBeNull();
    const [header, payload] = partsOf(token);
    const longer = await new SignJWT(payload).setProtectedHeader({ ...header, alg: 'HS512' }).sign(Buffer.from(LONG));
    const byLong = formatOf({ ...names, algorithm: 'HS256', keys: [{ kid: 'one', secret: LONG }] });
    expect([byLong.read(longer), await byLong.isAuthentic(longer)]).toEqual([null, false]);
    const options = { keys: Buffer.from(SECRET), ...names, clockTolerance: 0 };
    await expect(verifyOffline(token, options)).rejects.toMatchObject({ code: 'TOKEN_EXPIRED' });
    const issuedAt = Math.floor(Date.now() / 1000) * 1000;
    const fresh = { ...pair, issuedAt, accessExpiresAt: issuedAt + 3_600_000 };
    expect(await verifyOffline(await hs.write(source, { ...facts, pair: fresh }), options)).toEqual({
      userId: 'alice',
      sessionId: source.sessionId,
      issuedAt,
      expiresAt: issuedAt + 3_600_000,
    });
    const mode = jwt({ ...names, algorithm: 'HS256', keys: [{ kid: 'one', secret: SECRET }] });
    expect(jwks(mode)).toEqual({ keys: [] });
  });

  it('keeps being accepted while its key is listed, and is signed with the key of its record', async () => {
    const token = await format.write(source, facts);
    const rotated = formatOf({
      ...names,
      keys: [
        { kid: 'two', privateKey: K2.privateKey },
        { kid: 'one', privateKey: K1.privateKey },
      ],
    });
    expect(rotated.signingKeyId).toBe('two');
    expect(await rotated.isAuthentic(token)).toBe(true);
    expect(await rotated.write(source, facts)).toBe(token);
    const later = formatOf({ ...names, keys: [{ kid: 'two', privateKey: K2.privateKey }] });
    expect(later.read(token)).toBeNull();
    await expect(later.write(source, facts)).rejects.toThrow('no key one');
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

  it('end at once, whatever the JWT says', async () => {
    const { accessToken, refreshToken, session } = await tokens.login('kicked');
    expect(await tokens.verify(accessToken)).toMatchObject({ status: 'VALID', session: { id: session.id } });
    await node.operators.kick(session.id, { by: 'admin' });
    expect(await tokens.verify(accessToken)).toMatchObject({ status: 'INVALID', reason: 'SESSION_KICKED' });
    await expect(tokens.refresh(refreshToken)).rejects.toMatchObject({ code: 'SESSION_KICKED' });
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

  it('are logged out by either token, and expire by the record', async () => {
    const { accessToken } = await tokens.login('logout');
    expect(await tokens.logout(accessToken)).toBe(true);
    const late = await tokens.login('late');
    clock.advance(30 * 60_000);
    expect(await tokens.verify(late.accessToken)).toEqual({ status: 'INVALID', reason: 'TOKEN_EXPIRED' });
    expect(await tokens.logout(late.refreshToken)).toBe(true);
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
    const forged = await new SignJWT({ ...payload, jti: jti.toString('base64url') })
      .setProtectedHeader(header as { alg: string })
      .sign(K1.privateKey);
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

    for (const bad of [refreshToken, `${accessToken}x`, 'a.b.c', '', 7, null]) {
      await expect(verifyOffline(bad, options)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
    }
    await expect(verifyOffline(accessToken, { ...options, audience: 'other' })).rejects.toMatchObject({
      code: 'TOKEN_INVALID',
    });
    await expect(
      verifyOffline(accessToken, { ...options, keys: `http://127.0.0.1:${server.port}/nothing` }),
    ).rejects.toMatchObject({
      code: 'SESSION_STORE_UNAVAILABLE',
    });
    await expect(verifyOffline(accessToken, { ...options, keys: 'not an address' })).rejects.toMatchObject({
      code: 'ARGUMENT_INVALID',
    });
  });
});

describe('verifyOffline', () => {
  const issuedAt = Math.floor(Date.now() / 1000) * 1000;
  const fresh = { ...facts, pair: { ...pair, issuedAt, accessExpiresAt: issuedAt + 3_600_000 } };
  const options = { keys: jwks(jwt(one)), ...names };

  it('accepts one spelling of a token, and no other', async () => {
    const token = await formatOf().write(source, fresh);
    expect(await verifyOffline(token, options)).toMatchObject({ userId: 'alice' });
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const twin = token.slice(0, -1) + alphabet[alphabet.indexOf(token.at(-1)!) ^ 1];
    for (const other of [twin, `${token}=`, `${token}.`, ` ${token}`]) {
      await expect(verifyOffline(other, options)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
    }
  });

  it('never takes the algorithm or the key from the token', async () => {
    const token = await formatOf().write(source, fresh);
    const [header, payload] = partsOf(token);
    const publicPem = K1.publicKey.export({ type: 'spki', format: 'pem' }) as string;
    const confused = `${part({ ...header, alg: 'HS256' })}.${part(payload)}`;
    const withOwnKey = await new SignJWT(payload)
      .setProtectedHeader({ alg: 'EdDSA', kid: 'one', typ: 'at+jwt', jwk: K2.publicKey.export({ format: 'jwk' }) })
      .sign(K2.privateKey);
    const idToken = await new SignJWT(payload)
      .setProtectedHeader({ alg: 'EdDSA', kid: 'one', typ: 'JWT' })
      .sign(K1.privateKey);
    const forged = [
      `${part({ ...header, alg: 'none' })}.${part(payload)}.`,
      `${confused}.${createHmac('sha256', publicPem).update(confused).digest('base64url')}`,
      withOwnKey,
      idToken,
    ];
    for (const other of forged) {
      await expect(verifyOffline(other, options)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
    }
    await expect(verifyOffline(token, { ...options, keys: Buffer.from(SECRET) })).rejects.toMatchObject({
      code: 'TOKEN_INVALID',
    });
  });

  it('needs the claims of an access token of ours', async () => {
    const [header, payload] = partsOf(await formatOf().write(source, fresh));
    for (const change of [{ sid: 'x' }, { sid: undefined }, { sub: 7 }, { exp: undefined }, { iat: 'now' }]) {
      const other = await new SignJWT({ ...payload, ...change } as never)
        .setProtectedHeader(header as { alg: string })
        .sign(K1.privateKey);
      await expect(verifyOffline(other, options)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
    }
  });

  it.each<[string, unknown]>([
    ['no options', undefined],
    ['no keys', names],
    ['no issuer', { ...options, issuer: undefined }],
    ['a list of audiences', { ...options, audience: ['api'] }],
    ['a tolerance that is none', { ...options, clockTolerance: '5s' }],
    ['an address of a file', { ...options, keys: 'file:///etc/keys.json' }],
    ['something that is no key set', { ...options, keys: { keys: [7] } }],
    ['a secret that is too short', { ...options, keys: Buffer.alloc(31) }],
  ])('refuses %s', async (_name, given) => {
    await expect(verifyOffline('a.b.c', given as never)).rejects.toMatchObject({ code: 'ARGUMENT_INVALID' });
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
      const [ofUsers, ofStaff] = [
        await server.send({ path: '/.well-known/jwks.json' }),
        await server.send({ path: '/staff/jwks.json' }),
      ];
      expect([ofUsers.json, ofStaff.json]).toEqual([jwks(users), jwks(staff)]);
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
    expect(() => jwksController(jwt(one), path as string)).toThrow(
      expect.objectContaining({ code: 'ARGUMENT_INVALID' }),
    );
  }
});

it('a mode without JWTs has no key set', () => {
  expect(() => jwks({} as never)).toThrow(expect.objectContaining({ code: 'ARGUMENT_INVALID' }));
});

it('a retry whose signing key is only there to verify is refused, and no error of the server', async () => {
  const database = await createSqlite();
  const both = [
    { kid: 'two', privateKey: K2.privateKey },
    { kid: 'one', publicKey: K1.publicKey },
  ];
  const before = await startSessions({ database: database.options, tokens: jwt(one) });
  const { refreshToken } = await before.tokens.login('rotated');
  await before.tokens.refresh(refreshToken);
  await before.close();
  const after = await startSessions({ database: database.options, tokens: jwt({ ...one, keys: both }) });
  await expect(after.tokens.refresh(refreshToken)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
  await after.close();
  await database.drop();
});
