import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { accessAndRefresh, both, cookies, sliding } from 'nestjs-latchkey';
import { jwt } from 'nestjs-latchkey/jwt';
import { ManualClock } from 'nestjs-latchkey/testing';
import { generateKeyPairSync } from 'node:crypto';
import { adapters, json, useApp, verdict } from './http-app.js';
import { HTTPS, SAME_ORIGIN, cookieLine, cookiesOf, holdAnswers, logIn, startCookieApp } from './cookie-app.js';

const TRUSTED = 'https://app.example.com';
const key = {
  kid: 'k',
  privateKey: generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
};
const MODES = [
  { name: 'accessAndRefresh', tokens: accessAndRefresh(), hasRefresh: true },
  { name: 'sliding', tokens: sliding(), hasRefresh: false },
  { name: 'jwt', tokens: jwt({ keys: [key], issuer: 'i', audience: 'a' }), hasRefresh: true },
];

describe.each(adapters)('cookies on $name', (kind) => {
  const app = useApp(() => startCookieApp(kind, { transport: cookies({ trustedOrigins: [TRUSTED] }) }));
  const live = (user: string) => app.sessions.list(user);

  it.each(MODES)(
    '$name: a login gives cookies and no token, and the cookies authenticate',
    async ({ tokens, hasRefresh }) => {
      const other = await startCookieApp(kind, { transport: cookies(), tokens });
      try {
        const login = await logIn(other, { user: 'alice' });
        expect(login.status).toBe(201);
        const set = cookiesOf(login);
        expect(set['__Host-session']!.attributes).toBe('Path=/; HttpOnly; Secure; SameSite=Lax');
        const refresh = hasRefresh ? ['__Secure-session-refresh'] : [];
        expect(Object.keys(set)).toEqual(['__Host-session', ...refresh]);
        if (hasRefresh)
          expect(set[refresh[0]!]!.attributes).toBe('Path=/auth/refresh; HttpOnly; Secure; SameSite=Strict');
        for (const { value } of Object.values(set)) expect(login.text).not.toContain(value);
        expect(Object.keys(login.json).sort()).toEqual(
          ['ended', 'expiresIn', ...(hasRefresh ? ['refreshExpiresIn'] : []), 'sessionId'].sort(),
        );
        expect(login.headers['cache-control']).toBe('no-store');
        const me = await other.send({ lines: [...HTTPS, cookieLine(login)] });
        expect(me).toMatchObject({ status: 200, json: { userId: 'alice' } });
        expect([me.headers['cache-control'], me.headers.vary, me.headers['set-cookie']]).toEqual([
          'private',
          'Cookie',
          undefined,
        ]);
      } finally {
        await other.close();
      }
    },
  );

  it('reads no Authorization header, and no cookie from a query or body', async () => {
    const { accessToken } = await app.tokens.login('header');
    expect(await app.sendWith(accessToken, { lines: HTTPS })).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': 'Cookie realm="users"' },
      json: { errorCode: 'TOKEN_MISSING', message: 'Not logged in: the request has no session cookie.' },
    });
    expect((await app.send({ path: `/me?access_token=${accessToken}`, lines: HTTPS })).status).toBe(401);
    expect((await app.send({ ...json('/act', { access_token: accessToken }) })).status).toBe(401);
  });

  it.each([
    [
      'another one of our name',
      (token: string) => `__Host-session=${token}; __Host-session=${token.slice(0, -1)}x`,
      400,
    ],
    ['the same twice', (token: string) => `__Host-session=${token}; __Host-session=${token}`, 200],
    ['in quotes', (token: string) => `__Host-session="${token}"`, 400],
    ['as an object of cookie-parser', () => '__Host-session=j:{"$ne":1}', 400],
    ['with a broken percent sign', () => '__Host-session=%E0%A4%A', 400],
    ['too long', () => `__Host-session=${'a'.repeat(13_000)}`, 400],
    ['unknown', () => '__Host-session=ses_at_unknown', 401],
    ['with a no-break space before its name', (token: string) => `\xa0__Host-session=${token}`, 401],
    ['in lower case', (token: string) => `__host-session=${token}`, 401],
    ['behind $Version', (token: string) => `$Version=1; __Host-session=${token}`, 200],
    ['in $Version', (token: string) => `$Version=1, __Host-session=${token}`, 401],
    ['of plain http', (token: string) => `session-80=${token}`, 401],
    ['of another realm', (token: string) => `__Host-session-staff=${token}`, 401],
    ['of another domain of this host', (token: string) => `__Secure-session=${token}`, 401],
    ['empty', () => '__Host-session=', 401],
    ['among others', (token: string) => `a=b; __Host-session=${token};c`, 200],
  ])('a cookie %s', async (_name, write, status) => {
    const { accessToken } = await app.tokens.login('spelled');
    const answer = await app.send({ lines: [...HTTPS, `Cookie: ${write(accessToken)}`] });
    expect(answer.status).toBe(status);
    if (status === 400) expect(answer.json.errorCode).toBe('TOKEN_MALFORMED');
  });

  it.each<[string, readonly string[], boolean]>([
    ['same-origin', ['Sec-Fetch-Site: same-origin'], true],
    ['same-origin with an opaque Origin', ['Sec-Fetch-Site: same-origin', 'Origin: null'], true],
    ['by the user', ['Sec-Fetch-Site: none'], true],
    ['by the user, own Origin', ['Sec-Fetch-Site: none', 'Origin: https://localhost'], true],
    ['by the user, another Origin', ['Sec-Fetch-Site: none', 'Origin: https://evil.example'], false],
    ['same-site', ['Sec-Fetch-Site: same-site', 'Origin: https://other.localhost'], false],
    ['cross-site', ['Sec-Fetch-Site: cross-site', 'Origin: https://evil.example'], false],
    ['cross-site without Origin', ['Sec-Fetch-Site: cross-site'], false],
    ['cross-site with the own Origin', ['Sec-Fetch-Site: cross-site', 'Origin: https://localhost'], false],
    ['cross-site, trusted', ['Sec-Fetch-Site: cross-site', `Origin: ${TRUSTED}`], true],
    ['same-site, trusted in capitals', ['Sec-Fetch-Site: same-site', 'Origin: HTTPS://APP.example.COM'], true],
    ['an unknown Sec-Fetch-Site', ['Sec-Fetch-Site: nearby'], false],
    ['own Origin alone', ['Origin: https://localhost'], true],
    ['own Origin by another scheme', ['Origin: http://localhost'], false],
    ['trusted Origin alone', [`Origin: ${TRUSTED}`], true],
    ['trusted Origin with a port', [`Origin: ${TRUSTED}:8443`], false],
    ['subdomain of a trusted one', ['Origin: https://evil.app.example.com'], false],
    ['null Origin alone', ['Origin: null'], false],
    ['no browser', ['X-Requested-With: curl'], true],
    ['nothing at all', [], false],
    ['foreign Origin with X-Requested-With', ['Origin: https://evil.example', 'X-Requested-With: x'], false],
  ])('a request from elsewhere: %s', async (_name, lines, passes) => {
    const { accessToken } = await app.tokens.login('visitor');
    const cookie = `Cookie: __Host-session=${accessToken}`;
    const act = await app.send({ method: 'POST', path: '/act', lines: [...HTTPS, cookie, ...lines] });
    expect(verdict(act)).toEqual(
      passes
        ? { status: 201, errorCode: undefined, challenge: undefined }
        : { status: 403, errorCode: 'CROSS_SITE_REQUEST', challenge: undefined },
    );
    // What reads is safe, as is a route that asks for it.
    expect((await app.send({ lines: [...HTTPS, cookie, ...lines] })).status).toBe(200);
    expect((await app.send({ method: 'POST', path: '/anywhere', lines: [...HTTPS, cookie, ...lines] })).status).toBe(
      201,
    );
    // A login of another site would have the visitor act for somebody else.
    const login = await logIn(app, { user: 'intruder' }, [...HTTPS, ...lines]);
    expect(login.status).toBe(passes ? 201 : 403);
    expect(await live('intruder')).toHaveLength(passes ? 1 : 0);
    await app.sessions.endAll('intruder');
    expect((await app.send({ method: 'POST', path: '/saml', lines: [...HTTPS, ...lines] })).status).toBe(201);
  });

  it('a refusal of another site comes before any query', async () => {
    const unknown = 'Cookie: __Host-session=ses_at_unknown';
    const lines = [...HTTPS, unknown, 'Sec-Fetch-Site: cross-site'];
    expect((await app.send({ method: 'POST', path: '/act', lines })).json.errorCode).toBe('CROSS_SITE_REQUEST');
  });

  it('refreshes by the cookie that belongs to the session cookie, and by no other', async () => {
    const [login, other] = [await logIn(app, { user: 'bob' }), await logIn(app, { user: 'mallory' })];
    const refresh = (line: string) =>
      app.send({ method: 'POST', path: '/auth/refresh', lines: [...SAME_ORIGIN, line] });
    const [own, foreign] = [login, other].map((answer) => cookiesOf(answer)['__Secure-session-refresh']!.value);
    const session = cookiesOf(login)['__Host-session']!.value;
    for (const cookie of [
      `__Secure-session-refresh=${own}`,
      `__Host-session=${session}; __Secure-session-refresh=${foreign}`,
    ]) {
      const refused = await refresh(`Cookie: ${cookie}`);
      expect(verdict(refused)).toMatchObject({ status: 401, errorCode: 'TOKEN_MISSING' });
    }
    // A subdomain has set its own first: the one that fits counts.
    const tossed = `Cookie: __Host-session=${session}; __Secure-session-refresh=${foreign}; __Secure-session-refresh=${own}`;
    const refreshed = await refresh(tossed);
    expect(refreshed).toMatchObject({ status: 200, json: { sessionId: login.json.sessionId, ended: [] } });
    expect(refreshed.text).not.toContain('ses_');
    expect((await app.send({ lines: [...HTTPS, cookieLine(refreshed)] })).json).toEqual({ userId: 'bob' });
    expect(await live('mallory')).toHaveLength(1);
    // The next refresh: of the new cookies.
    expect((await refresh(cookieLine(refreshed, '/auth/refresh'))).status).toBe(200);
  });

  it('a refused refresh clears the cookies', async () => {
    const login = await logIn(app, { user: 'carol' });
    await app.operators.kickUser('carol', { by: 'root' });
    const line = cookieLine(login, '/auth/refresh');
    const refused = await app.send({ method: 'POST', path: '/auth/refresh', lines: [...SAME_ORIGIN, line] });
    expect(verdict(refused)).toMatchObject({ status: 401, errorCode: 'SESSION_KICKED' });
    expect(
      Object.values(cookiesOf(refused)).map(({ value, attributes }) => [value, attributes.split('; ')[0]]),
    ).toEqual([
      ['', 'Max-Age=0'],
      ['', 'Max-Age=0'],
    ]);
  });

  it('a logout ends the session and clears both cookies with all that they were set with', async () => {
    const login = await logIn(app, { user: 'dave' });
    const logout = (lines: readonly string[]) => app.send({ method: 'POST', path: '/logout', lines });
    expect((await logout([...HTTPS, cookieLine(login), 'Sec-Fetch-Site: cross-site'])).status).toBe(403);
    expect(await live('dave')).toHaveLength(1);
    const answer = await logout([...SAME_ORIGIN, cookieLine(login)]);
    expect([answer.status, answer.text, answer.headers['cache-control']]).toEqual([204, '', 'no-store']);
    const [set, cleared] = [cookiesOf(login), cookiesOf(answer)];
    for (const [name, { attributes }] of Object.entries(set)) {
      expect(cleared[name]).toEqual({ value: '', attributes: `Max-Age=0; ${attributes}` });
    }
    expect(await live('dave')).toEqual([]);
    const script = await app.send({ lines: [...HTTPS, cookieLine(login)] });
    expect(script).toMatchObject({ status: 401, json: { errorCode: 'SESSION_LOGGED_OUT' } });
    // An answer to a script would race with a login in another tab.
    expect(script.headers['set-cookie']).toBeUndefined();
    const page = await app.send({ lines: [...HTTPS, cookieLine(login), 'Sec-Fetch-Mode: navigate'] });
    expect(cookiesOf(page)['__Host-session']).toEqual({
      value: '',
      attributes: 'Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax',
    });
    const nothing = await app.send({ lines: [...HTTPS, 'Sec-Fetch-Mode: navigate'] });
    expect([nothing.status, nothing.headers['set-cookie']]).toEqual([401, undefined]);
  });

  it('a login ends the session whose cookie came with it', async () => {
    const first = await logIn(app, { user: 'erin' });
    const second = await logIn(app, { user: 'frank' }, [...SAME_ORIGIN, cookieLine(first)]);
    expect(second.status).toBe(201);
    expect([await live('erin'), await live('frank')]).toMatchObject([[], [{}]]);
  });

  it('a login that is remembered gives cookies that stay, for 400 days at most', async () => {
    const long = accessAndRefresh({ refresh: '900d', maxAge: '1000d' });
    const other = await startCookieApp(kind, { transport: cookies(), tokens: long });
    try {
      for (const name of ['__Host-session', '__Secure-session-refresh']) {
        const attributes = cookiesOf(await logIn(other, { user: 'alice', persistent: true }))[name]!.attributes;
        expect(attributes).toMatch(/^Max-Age=34560000; /);
      }
    } finally {
      await other.close();
    }
    const login = cookiesOf(await logIn(app, { user: 'gina', persistent: true }));
    const age = Number(/^Max-Age=(\d+)/.exec(login['__Host-session']!.attributes)![1]);
    expect(age).toBeGreaterThan(29 * 86_400);
    expect(age).toBeLessThanOrEqual(30 * 86_400);
  });

  it.each([
    { name: 'refresh', tokens: accessAndRefresh(), cookies: 2 },
    { name: 'sliding', tokens: sliding(), cookies: 1 },
  ])('a login of an hour gives cookies of an hour if it is remembered, else none that stay: $name', async (mode) => {
    const other = await startCookieApp(kind, { transport: cookies(), tokens: mode.tokens });
    try {
      const user = { user: 'alice', life: { maxAge: '1h' } } as const;
      const kept = Object.values(cookiesOf(await logIn(other, { ...user, persistent: true })));
      const brief = Object.values(cookiesOf(await logIn(other, { ...user, persistent: false })));
      expect([kept, brief]).toMatchObject([{ length: mode.cookies }, { length: mode.cookies }]);
      for (const { attributes } of kept) expect(attributes).toMatch(/^Max-Age=3(600|59\d); /);
      for (const { attributes } of brief) expect(attributes).not.toContain('Max-Age');
    } finally {
      await other.close();
    }
  });

  it('adds to what a route says of caches and cookies, and replaces nothing', async () => {
    const login = await logIn(app, { user: 'hugo' });
    const { headers } = await app.send({ path: '/public-cache', lines: [...HTTPS, cookieLine(login)] });
    expect(headers['cache-control']).toBe('private, max-age=60');
    expect(headers.vary).toBe('Accept, Cookie');
    expect(headers['set-cookie']).toBe('theme=dark');
  });

  it('writes by hand on a route that checks, and nowhere else', async () => {
    const post = (path: string, user: string) => {
      const request = json(path, { user });
      return app.send({ ...request, lines: [...request.lines, ...SAME_ORIGIN] });
    };
    const login = await post('/login-by-hand', 'ida');
    expect((await app.send({ lines: [...HTTPS, cookieLine(login)] })).json).toEqual({ userId: 'ida' });
    for (const path of ['/unchecked', '/copied', '/details-alone']) {
      const wrong = await post(path, 'ida');
      expect(verdict(wrong)).toMatchObject({ status: 500, errorCode: 'CONFIGURATION_INVALID' });
      expect([wrong.text.includes('ses_'), wrong.headers['set-cookie']]).toEqual([false, undefined]);
    }
  });
});

describe.each(adapters)('cookies over plain http on $name', (kind) => {
  const app = useApp(() => startCookieApp(kind, { transport: cookies() }, {}));
  const { NODE_ENV } = process.env;
  afterEach(() => {
    process.env.NODE_ENV = NODE_ENV;
  });

  it('have names with the port while developing on one machine', async () => {
    const login = await logIn(app, { user: 'alice' }, ['Sec-Fetch-Site: same-origin']);
    const set = cookiesOf(login);
    expect(Object.keys(set)).toEqual(['session-80', 'session-80-refresh']);
    expect(set['session-80']!.attributes).toBe('Path=/; HttpOnly; SameSite=Lax');
    expect((await app.send({ lines: [cookieLine(login)] })).json).toEqual({ userId: 'alice' });
    const refreshed = await app.send({
      method: 'POST',
      path: '/auth/refresh',
      lines: [cookieLine(login, '/auth/refresh'), 'Origin: http://localhost'],
    });
    expect(refreshed.status).toBe(200);
  });

  it.each<[string, () => readonly string[]]>([
    ['behind a proxy', () => ['X-Forwarded-For: 203.0.113.9']],
    ['behind a proxy that says https to a server that does not believe it', () => [...HTTPS]],
    ['behind a proxy that only says Via', () => ['Via: 1.1 proxy']],
    [
      'in production',
      () => {
        process.env.NODE_ENV = 'production';
        return [];
      },
    ],
  ])('are refused %s, before anything is done', async (_name, lines) => {
    const login = await logIn(app, { user: 'bob' }, [...lines(), 'Sec-Fetch-Site: same-origin']);
    expect(verdict(login)).toMatchObject({ status: 500, errorCode: 'CONFIGURATION_INVALID' });
    expect(login.headers['set-cookie']).toBeUndefined();
    expect(await app.sessions.list('bob')).toEqual([]);
    const { accessToken } = await app.tokens.login('carol');
    expect((await app.send({ lines: [...lines(), `Cookie: session-80=${accessToken}`] })).status).toBe(401);
  });
});

describe.each(adapters)('cookies of a domain on $name', (kind) => {
  const domain = 'example.com';
  const app = useApp(() =>
    startCookieApp(kind, { transport: cookies({ domain, clearSiteData: ['cache', 'storage'] }) }),
  );
  const at = (host: string) => [`Host: ${host}`, ...HTTPS, 'Sec-Fetch-Site: same-origin'];
  const APP = at('app.example.com');

  it('are shared by its hosts, and replace the one of this host alone', async () => {
    const login = await logIn(app, { user: 'alice' }, APP);
    const set = cookiesOf(login);
    expect(Object.keys(set)).toEqual(['__Secure-session', '__Secure-session-refresh', '__Host-session']);
    expect(set['__Secure-session']!.attributes).toBe('Domain=example.com; Path=/; HttpOnly; Secure; SameSite=Lax');
    expect(set['__Host-session']).toEqual({
      value: '',
      attributes: 'Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax',
    });
    const other = await app.send({ lines: [...at('example.com:8443'), cookieLine(login)] });
    expect(other.json).toEqual({ userId: 'alice' });
  });

  it.each(['evil.example', 'notexample.com', 'example.com.evil.example', 'localhost'])(
    'are not set by another host: %s',
    async (host) => {
      const refused = await logIn(app, { user: 'bob' }, at(host));
      expect(verdict(refused)).toMatchObject({ status: 500, errorCode: 'CONFIGURATION_INVALID' });
      expect(await app.sessions.list('bob')).toEqual([]);
    },
  );

  it('of which several came: the one that verifies counts, wherever it stands', async () => {
    const [own, over] = [await app.tokens.login('carol'), await app.tokens.login('over')];
    await app.operators.kickUser('over', { by: 'root' });
    const both = [own.accessToken, over.accessToken];
    for (const values of [both, [...both].reverse(), ['ses_at_tossed', own.accessToken]]) {
      const line = `Cookie: ${values.map((value) => `__Secure-session=${value}`).join('; ')}`;
      expect((await app.send({ lines: [...APP, line] })).json).toEqual({ userId: 'carol' });
    }
    const line = `Cookie: __Secure-session=${over.accessToken}; __Secure-session=ses_at_tossed`;
    expect((await app.send({ lines: [...APP, line] })).json.errorCode).toBe('SESSION_KICKED');
  });

  it('are cleared with the domain, and the browser deletes what was asked for', async () => {
    const login = await logIn(app, { user: 'dave' }, APP);
    expect(login.headers['clear-site-data']).toBeUndefined();
    const logout = await app.send({ method: 'POST', path: '/logout', lines: [...APP, cookieLine(login)] });
    for (const name of ['__Secure-session', '__Secure-session-refresh']) {
      expect(cookiesOf(logout)[name]!.attributes).toMatch(/^Max-Age=0; Domain=example\.com; /);
    }
    expect(logout.headers['clear-site-data']).toBe('"cache", "storage"');
    const page = await app.send({ lines: [...APP, cookieLine(login), 'Sec-Fetch-Mode: navigate'] });
    expect([page.status, page.headers['clear-site-data']]).toEqual([401, '"cache", "storage"']);
    const script = await app.send({ lines: [...APP, cookieLine(login)] });
    expect([script.status, script.headers['clear-site-data']]).toEqual([401, undefined]);
  });
});

describe.each(adapters)('both transports on $name', (kind) => {
  const app = useApp(() => startCookieApp(kind, { transport: both() }));

  it('a client that is no browser gets tokens in the body, any other gets cookies', async () => {
    const native = await logIn(app, { user: 'alice' }, HTTPS);
    expect(native.headers['set-cookie']).toBeUndefined();
    expect(native.json).toMatchObject({ tokenType: 'Bearer', sessionId: expect.any(String), ended: [] });
    expect((await app.sendWith(String(native.json.accessToken))).json).toEqual({ userId: 'alice' });
    const asking = ['X-Session-Transport: cookie', 'X-Requested-With: app'];
    for (const lines of [SAME_ORIGIN, [...HTTPS, ...asking]]) {
      const login = await logIn(app, { user: 'bob' }, lines);
      expect([login.text.includes('ses_'), Object.keys(cookiesOf(login))[0]]).toEqual([false, '__Host-session']);
    }
    const foreign = await logIn(app, { user: 'bob' }, [...HTTPS, 'Origin: https://evil.example']);
    expect(foreign.json.errorCode).toBe('CROSS_SITE_REQUEST');
  });

  it('answers a refresh the way its token came', async () => {
    const { refreshToken } = await app.tokens.login('carol');
    const request = json('/auth/refresh', { refreshToken });
    for (const lines of [HTTPS, SAME_ORIGIN]) {
      const answer = await app.send({ ...request, lines: [...request.lines, ...lines] });
      expect(answer.json).toMatchObject({ tokenType: 'Bearer' });
      expect(answer.headers['set-cookie']).toBeUndefined();
    }
    const login = await logIn(app, { user: 'dave' });
    const lines = [...SAME_ORIGIN, cookieLine(login, '/auth/refresh')];
    const byCookie = await app.send({ method: 'POST', path: '/auth/refresh', lines });
    expect([byCookie.status, byCookie.text.includes('ses_')]).toEqual([200, false]);
    expect(Object.keys(cookiesOf(byCookie))).toEqual(['__Host-session', '__Secure-session-refresh']);
  });

  it('a bearer token goes before a cookie, and needs no origin', async () => {
    const [header, cookie] = [await app.tokens.login('header'), await app.tokens.login('cookie')];
    const line = `Cookie: __Host-session=${cookie.accessToken}`;
    const act = (lines: readonly string[]) =>
      app.send({ method: 'POST', path: '/act', lines: [...HTTPS, line, ...lines] });
    expect((await act([`Authorization: Bearer ${header.accessToken}`])).json).toEqual({ userId: 'header' });
    expect(verdict(await act(['Authorization: Bearer ses_at_bad']))).toMatchObject({
      status: 401,
      errorCode: 'TOKEN_INVALID',
    });
    expect(verdict(await act(['Authorization: Bearer a b']))).toMatchObject({
      status: 400,
      errorCode: 'TOKEN_MALFORMED',
    });
    // Browsers send these by themselves.
    for (const scheme of ['Basic YTpi', 'Negotiate YTpi', 'Digest a=b']) {
      expect((await act([`Authorization: ${scheme}`])).json.errorCode).toBe('CROSS_SITE_REQUEST');
    }
    expect((await act(['Sec-Fetch-Site: same-origin'])).json).toEqual({ userId: 'cookie' });
    expect((await app.send({ lines: [...HTTPS, 'Authorization: Basic YTpi', line] })).json).toEqual({
      userId: 'cookie',
    });
  });

  it('logs out by either', async () => {
    const bearer = await app.tokens.login('erin');
    expect((await app.sendWith(bearer.accessToken, { method: 'POST', path: '/logout' })).status).toBe(204);
    expect(await app.sessions.list('erin')).toEqual([]);
    const login = await logIn(app, { user: 'frank' });
    const answer = await app.send({ method: 'POST', path: '/logout', lines: [...SAME_ORIGIN, cookieLine(login)] });
    expect(cookiesOf(answer)['__Host-session']!.value).toBe('');
    expect(await app.sessions.list('frank')).toEqual([]);
  });
});

describe.each(adapters)('a cookie that is renewed on $name', (kind) => {
  const clock = new ManualClock(Date.UTC(2026, 0, 1));
  const app = useApp(() =>
    startCookieApp(kind, { transport: cookies(), tokens: sliding({ ttl: '1h', renewWithin: '30m' }), clock }),
  );
  let line: string;
  beforeEach(async () => {
    line = cookieLine(await logIn(app, { user: 'alice', persistent: true }));
    clock.advance(40 * 60_000);
  });

  it('comes with the answer, and lives as long as the login', async () => {
    const answer = await app.send({ lines: [...HTTPS, line] });
    expect(answer).toMatchObject({ status: 200, headers: { 'cache-control': 'no-store' } });
    expect(cookiesOf(answer)['__Host-session']!.attributes).toMatch(/^Max-Age=\d{7}; Path=\/; /);
    expect(answer.headers['x-renewed-token']).toBeUndefined();
    expect((await app.send({ lines: [...HTTPS, cookieLine(answer)] })).status).toBe(200);
  });

  it.each([
    ['the session has ended', () => app.operators.kickUser('alice', { by: 'root' })],
    ['half of the grace is over', () => Promise.resolve(clock.advance(31_000))],
  ])('does not come with a slow answer once %s', async (_name, happens) => {
    const { begun, release } = holdAnswers();
    const answering = app.send({ path: '/slow', lines: [...HTTPS, line] });
    await begun;
    await happens();
    release();
    const answer = await answering;
    expect([answer.status, answer.headers['set-cookie']]).toEqual([200, undefined]);
  });

  it('gives way to a logout', async () => {
    const answer = await app.send({ method: 'POST', path: '/logout', lines: [...SAME_ORIGIN, line] });
    expect(Object.values(cookiesOf(answer)).map(({ value }) => value)).toEqual(['', '']);
  });
});
