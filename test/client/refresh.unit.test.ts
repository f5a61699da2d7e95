import { afterEach, describe, expect, it } from '@jest/globals';
import { createSessionClient, memoryStorage } from 'nestjs-latchkey/client';
import { until } from '../support/until.js';
import { type Received, refuse, reply } from './servers.js';
import { Browser, SharedLocks } from './tabs.js';
import { type TokenServer, pair, useTokenServer } from './token-server.js';

let server: TokenServer;
let browser: Browser;

const inBrowser = (locks: SharedLocks | null = new SharedLocks()) =>
  (browser = new Browser({ baseUrl: server.url, refreshUrl: '/refresh' }, locks));
const tokenOf = ({ authorization }: Received) => authorization?.replace('Bearer ', '');

useTokenServer((started) => {
  server = started;
  browser = inBrowser();
  return () => browser.close();
});

function holdRefresh() {
  let letGo: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (letGo = resolve));
  server.onRefresh = async (response) => {
    await gate;
    server.generation = 2;
    reply(response, 200, pair(2));
  };
  return () => letGo();
}

describe('an expired token', () => {
  it('is refreshed once for fifty parallel requests, each of which is repeated once', async () => {
    const { client, ends } = browser.signIn(1);
    const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => client.fetch(`/item/${n}`)));
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200));
    expect(server.at('/refresh')).toMatchObject([{ method: 'POST', body: '{"refreshToken":"refresh-1"}' }]);
    expect(server.received).toHaveLength(101);
    expect(client.token).toBe('access-2');
    expect(ends).toEqual([]);
  });

  it('is refreshed once for two tabs that find out at the same time', async () => {
    const [one, two] = browser.signInTwo(1);
    const letGo = holdRefresh();
    const answers = Promise.all([one.client.fetch('/one'), two.client.fetch('/two')]);
    await until(() => server.at('/refresh').length === 1 && browser.locks!.waiting === 1);
    letGo();
    expect((await answers).map(({ status }) => status)).toEqual([200, 200]);
    expect(server.at('/refresh')).toHaveLength(1);
    expect([one.client.token, two.client.token]).toEqual(['access-2', 'access-2']);
  });

  it('is refreshed once for two tabs of a browser without Web Locks, where the second hears of the first', async () => {
    browser = inBrowser(null);
    const [one, two] = [browser.openTab(), browser.openTab()];
    const heard = new BroadcastChannel(`nestjs-latchkey:${browser.key}`);
    const messages: unknown[] = [];
    heard.onmessage = ({ data }) => void messages.push(data);
    const letGo = holdRefresh();
    one.client.setTokens(pair(1));
    const first = one.client.fetch('/one');
    // Channels deliver in order, and this one was opened after that of the second tab.
    await until(() => messages.some((message) => (message as { type: string }).type === 'refreshing'));
    const second = two.client.fetch('/two');
    await until(() => server.at('/two').length === 1);
    letGo();
    expect([(await first).status, (await second).status]).toEqual([200, 200]);
    expect(server.at('/refresh')).toHaveLength(1);
    heard.close();
  });

  it('is replaced by the one that another tab has got meanwhile, without a refresh or a lock', async () => {
    const [one, two] = browser.signInTwo(1);
    server.onRequest = (response, request) => {
      if (tokenOf(request) === 'access-2') return reply(response, 200, {});
      two.client.setTokens(pair(2));
      return refuse(response, request.path === '/invalid' ? 'TOKEN_INVALID' : 'TOKEN_EXPIRED');
    };
    expect((await one.client.fetch('/expired')).status).toBe(200);
    one.client.setTokens(pair(1));
    expect((await one.client.fetch('/invalid')).status).toBe(200);
    expect(server.received.map(tokenOf)).toEqual(['access-1', 'access-2', 'access-1', 'access-2']);
    expect([one.ends, browser.locks!.requested]).toEqual([[], []]);
  });

  it('does not make a request of one user one of the next', async () => {
    const { client, ends } = browser.signIn(1);
    server.onRequest = (response) => {
      client.setTokens({ ...pair(2), sessionId: 'session-of-bob' });
      refuse(response, 'TOKEN_EXPIRED');
    };
    const answer = await client.fetch('/transfer', { method: 'POST', body: 'all' });
    expect([answer.status, await answer.json()]).toMatchObject([401, { errorCode: 'TOKEN_EXPIRED' }]);
    expect(server.received).toHaveLength(1);
    expect([client.token, ends]).toEqual(['access-2', []]);
  });

  it('is not brought back by a refresh that answers after the tokens were cleared', async () => {
    const { client } = browser.signIn(1);
    const letGo = holdRefresh();
    const answer = client.fetch('/one');
    await until(() => server.at('/refresh').length === 1);
    client.clear();
    letGo();
    expect((await answer).status).toBe(401);
    expect([client.token, browser.stored]).toEqual([null, null]);
  });

  it('keeps its refresh token where the answer brings no other', async () => {
    const { client } = browser.signIn(1);
    server.onRefresh = (response) => reply(response, 200, { accessToken: 'access-2' });
    expect((await client.fetch('/one')).status).toBe(200);
    expect(JSON.parse(browser.stored!)).toMatchObject({ accessToken: 'access-2', refreshToken: 'refresh-1' });
  });
});

describe('the lock', () => {
  afterEach(() => {
    Reflect.deleteProperty(globalThis, 'navigator');
  });

  it('is that of the page, by the name of what the tabs share', async () => {
    const locks = new SharedLocks();
    Object.defineProperty(globalThis, 'navigator', { value: { locks }, configurable: true });
    const { client } = browser.signIn(1, { locks: undefined });
    expect((await client.fetch('/one')).status).toBe(200);
    expect(locks.requested).toEqual([`nestjs-latchkey:${browser.key}`]);
  });

  it('is not taken by tabs that share nothing', async () => {
    const { client } = browser.signIn(1, { storage: memoryStorage() });
    expect((await client.fetch('/one')).status).toBe(200);
    expect(browser.locks!.requested).toEqual([]);
  });
});

describe('a server that always answers 401', () => {
  it.each(['TOKEN_EXPIRED', 'TOKEN_INVALID'])(
    '%s is sent each request twice and one refresh for them',
    async (code) => {
      const { client, ends } = browser.signIn(1);
      server.onRequest = (response) => refuse(response, code);
      const answers = await Promise.all([client.fetch('/one'), client.fetch('/two'), client.fetch('/three')]);
      expect(answers.map(({ status }) => status)).toEqual([401, 401, 401]);
      expect(await answers[0].json()).toMatchObject({ errorCode: code });
      expect(server.received).toHaveLength(7);
      expect(server.at('/refresh')).toHaveLength(1);
      expect([client.token, ends]).toEqual(['access-2', []]);
    },
  );

  it('is sent nothing else where there are no refreshes, and the session is over', async () => {
    const ends: unknown[] = [];
    const client = createSessionClient({
      baseUrl: server.url,
      storage: memoryStorage(),
      onEnd: (end) => void ends.push(end),
    });
    client.setTokens(pair(1));
    const answers = await Promise.all([client.fetch('/one'), client.fetch('/two')]);
    expect(answers.map(({ status }) => status)).toEqual([401, 401]);
    expect(server.received).toHaveLength(2);
    expect(ends).toEqual([{ errorCode: 'TOKEN_EXPIRED', message: 'It is TOKEN_EXPIRED.' }]);
    expect(client.token).toBeNull();
    await client.fetch('/three');
    expect(server.at('/three').map(tokenOf)).toEqual([undefined]);
  });
});

describe('a refresh that fails', () => {
  it.each<[string, TokenServer['onRefresh']]>([
    ['503', (response) => refuse(response, 'SESSION_STORE_UNAVAILABLE', {}, 503)],
    ['429', (response) => refuse(response, 'TOO_MANY_REFRESHES', {}, 429)],
    ['404', (response) => refuse(response, 'NO_SUCH_ROUTE', {}, 404)],
    ['a broken connection', (response) => response.destroy()],
    [
      'an answer that breaks off',
      (response) => response.writeHead(200, { 'Content-Length': '99' }).write('{', () => response.destroy()),
    ],
    ['an answer without tokens', (response) => reply(response, 200, {})],
    ['a page', (response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<h1>Hello</h1>')],
    ['a redirect', (response) => response.writeHead(307, { Location: '/elsewhere' }).end()],
  ])('by %s keeps the tokens, and the answer is the 401', async (_, onRefresh) => {
    const { client, ends } = browser.signIn(1);
    server.onRefresh = onRefresh;
    const answers = await Promise.all([client.fetch('/one'), client.fetch('/two')]);
    expect(answers.map(({ status }) => status)).toEqual([401, 401]);
    expect(await answers[0].json()).toMatchObject({ errorCode: 'TOKEN_EXPIRED' });
    expect(server.received).toHaveLength(3);
    expect([client.token, ends]).toEqual(['access-1', []]);
    server.onRefresh = null;
    expect((await client.fetch('/later')).status).toBe(200);
  });

  it('by an answer that does not come is given up', async () => {
    const { client, ends } = browser.signIn(1, { refreshTimeoutMs: 50 });
    server.onRefresh = () => undefined;
    expect((await client.fetch('/one')).status).toBe(401);
    expect([client.token, ends]).toEqual(['access-1', []]);
  });

  it('by a tab that never lets go of the lock does not stop the others', async () => {
    const { client } = browser.openTab({
      refreshTimeoutMs: 200,
      locks: { request: () => new Promise(() => undefined) },
    });
    client.setTokens(pair(1));
    expect((await client.fetch('/one')).status).toBe(200);
  });

  it('by locks that are refused goes on without them', async () => {
    const { client } = browser.openTab({ locks: { request: () => Promise.reject(new Error('no origin')) } });
    client.setTokens(pair(1));
    expect((await client.fetch('/one')).status).toBe(200);
    expect(server.at('/refresh')).toHaveLength(1);
  });

  it('by a refusal ends the session, once', async () => {
    const [one, two] = browser.signInTwo(1);
    server.onRefresh = (response) => refuse(response, 'REFRESH_REUSED');
    const answers = await Promise.all([one.client.fetch('/one'), one.client.fetch('/two'), two.client.fetch('/three')]);
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401]);
    expect(server.at('/refresh')).toHaveLength(1);
    expect([one.client.token, browser.stored]).toEqual([null, null]);
    const end = { errorCode: 'REFRESH_REUSED', message: 'It is REFRESH_REUSED.' };
    await until(() => two.ends.length > 0);
    expect([one.ends, two.ends]).toEqual([[end], [end]]);
  });

  it('by a refusal without a reason ends it as well', async () => {
    const { client, ends } = browser.signIn(1);
    server.onRefresh = (response) => response.writeHead(401).end();
    expect((await client.fetch('/one')).status).toBe(401);
    expect([client.token, ends]).toEqual([null, [{ errorCode: 'TOKEN_INVALID', message: 'Log in again.' }]]);
  });

  it('because another tab was faster, without locks, is no end', async () => {
    browser = inBrowser(null);
    const [one, two] = browser.signInTwo(1);
    server.onRefresh = (response) => {
      two.client.setTokens(pair(2));
      refuse(response, 'TOKEN_EXPIRED');
    };
    expect((await one.client.fetch('/one')).status).toBe(200);
    expect([one.client.token, one.ends]).toEqual(['access-2', []]);
  });
});

describe('a request that is given up while a refresh is under way', () => {
  it('rejects at once, and the refresh goes on for the others', async () => {
    const { client } = browser.signIn(1);
    const letGo = holdRefresh();
    const controller = new AbortController();
    const givenUp = client.fetch('/one', { signal: controller.signal });
    const other = client.fetch('/two');
    await until(() => server.at('/refresh').length === 1 && server.received.length === 3);
    controller.abort(new Error('no longer'));
    await expect(givenUp).rejects.toThrow('no longer');
    letGo();
    expect((await other).status).toBe(200);
    expect(server.at('/one')).toHaveLength(1);
  });
});
