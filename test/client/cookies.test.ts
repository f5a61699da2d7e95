import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { accessAndRefresh, cookies } from 'nestjs-latchkey';
import { type SessionClient, type SessionEndNotice, createSessionClient, memoryStorage } from 'nestjs-latchkey/client';
import { ManualClock } from 'nestjs-latchkey/testing';
import { startCookieApp } from '../nest/cookie-app.js';
import { type HttpApp, adapters } from '../nest/http-app.js';

/** Keeps cookies as a browser does for one origin, and sends those whose path fits. */
class CookieBrowser {
  readonly jar = new Map<string, { readonly value: string; readonly path: string }>();
  readonly sent: string[] = [];
  isOffline = false;

  readonly fetch: typeof globalThis.fetch = async (input) => {
    const request = input as Request;
    const { pathname } = new URL(request.url);
    this.sent.push(`${request.method} ${pathname}`);
    if (this.isOffline) throw new TypeError('fetch failed');
    if (request.headers.has('authorization')) throw new Error('A script sent a token.');
    const fitting = [...this.jar].filter(([, { path }]) => pathname.startsWith(path));
    const headers = new Headers(request.headers);
    if (request.credentials === 'include')
      headers.set('Cookie', fitting.map(([n, { value }]) => `${n}=${value}`).join('; '));
    const response = await globalThis.fetch(new Request(request, { headers }));
    for (const line of response.headers.getSetCookie()) this.keep(line);
    return response;
  };

  private keep(line: string): void {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!;
    if (line.includes('Max-Age=0')) this.jar.delete(name!);
    else this.jar.set(name!, { value: value!, path: /Path=([^;]*)/.exec(line)![1]! });
  }
}

it('a client with tokens logs out by its token', async () => {
  const app = await startCookieApp(adapters[0]!, {}, {});
  const client = createSessionClient({
    baseUrl: `http://localhost:${app.port}`,
    logoutUrl: '/logout',
    storage: memoryStorage(),
  });
  try {
    client.setTokens(await app.tokens.login('alice'));
    await client.logOut();
    expect([client.token, await app.sessions.list('alice')]).toEqual([null, []]);
  } finally {
    client.close();
    await app.close();
  }
});

describe('the client with cookies', () => {
  const clock = new ManualClock(Date.UTC(2026, 0, 1));
  let app: HttpApp;
  let browser: CookieBrowser;
  let client: SessionClient;
  let stored: ReturnType<typeof memoryStorage>;
  let ends: SessionEndNotice[];
  beforeEach(async () => {
    app = await startCookieApp(
      adapters[0]!,
      { transport: cookies(), tokens: accessAndRefresh({ access: '10m' }), clock },
      {},
    );
    [browser, ends, stored] = [new CookieBrowser(), [], memoryStorage()];
    client = createSessionClient({
      baseUrl: `http://localhost:${app.port}`,
      cookies: true,
      refreshUrl: '/auth/refresh',
      logoutUrl: '/logout',
      storage: stored,
      fetch: browser.fetch,
      onEnd: (end) => ends.push(end),
    });
  });
  afterEach(async () => {
    client.close();
    await app.close();
  });

  const logIn = async (user: string) => {
    const body = JSON.stringify({ user });
    const response = await client.fetch('/login', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body,
    });
    client.setTokens((await response.json()) as never);
  };
  const act = () => client.fetch('/act', { method: 'POST' });
  const sentTo = (path: string) => browser.sent.filter((one) => one === `POST ${path}`).length;

  it('has no token, stores none, and acts by cookie', async () => {
    expect([client.signedIn, client.token]).toEqual([false, null]);
    await logIn('alice');
    expect([client.signedIn, client.token]).toEqual([true, null]);
    expect(stored.read()).not.toContain('ses_');
    expect(await (await act()).json()).toEqual({ userId: 'alice' });
  });

  it('refreshes once for all requests when the token has expired', async () => {
    await logIn('bob');
    clock.advance(11 * 60_000);
    const answers = await Promise.all([act(), act(), client.fetch('/me')]);
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 200]);
    expect(sentTo('/auth/refresh')).toBe(1);
    expect((await act()).status).toBe(201);
    expect(sentTo('/auth/refresh')).toBe(1);
  });

  it('ends the login when the browser has dropped the cookies, after one refresh', async () => {
    await logIn('carol');
    browser.jar.clear();
    expect((await act()).status).toBe(401);
    expect(sentTo('/auth/refresh')).toBe(1);
    expect([client.signedIn, ends.map(({ errorCode }) => errorCode)]).toEqual([false, ['TOKEN_MISSING']]);
  });

  it('tells why a session ended', async () => {
    await logIn('dave');
    await app.operators.kickUser('dave', { by: 'root' });
    expect((await act()).status).toBe(401);
    expect([client.signedIn, ends.map(({ errorCode }) => errorCode)]).toEqual([false, ['SESSION_KICKED']]);
  });

  it('logs out on the server, which removes the cookies', async () => {
    await logIn('erin');
    await client.logOut();
    expect([client.signedIn, browser.jar.size, ends]).toEqual([false, 0, []]);
    expect(await app.sessions.list('erin')).toEqual([]);
  });

  it('says when the server could not be asked to log out', async () => {
    await logIn('frank');
    browser.isOffline = true;
    await expect(client.logOut()).rejects.toThrow('fetch failed');
    expect([client.signedIn, browser.jar.size]).toEqual([false, 2]);
  });

  it('needs a route to log out', async () => {
    const other = createSessionClient({ baseUrl: `http://localhost:${app.port}`, storage: memoryStorage() });
    await expect(other.logOut()).rejects.toThrow('"logoutUrl"');
    other.close();
  });

  it('refuses tokens in an answer: the server would not use cookies', () => {
    for (const tokens of [{ accessToken: 'a' }, { refreshToken: 'b', expiresIn: 5 }]) {
      expect(() => client.setTokens(tokens)).toThrow(TypeError);
    }
    expect(client.signedIn).toBe(false);
  });
});
