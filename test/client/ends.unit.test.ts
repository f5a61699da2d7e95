import { describe, expect, it } from '@jest/globals';
import { createSessionClient, memoryStorage } from 'nestjs-latchkey/client';
import { until } from '../support/until.js';
import { refuse } from './servers.js';
import { Browser } from './tabs.js';
import { type TokenServer, pair, useTokenServer } from './token-server.js';

let server: TokenServer;
let browser: Browser;

useTokenServer((started) => {
  server = started;
  browser = new Browser({ baseUrl: server.url, refreshUrl: '/refresh' });
  return () => browser.close();
});

const END_CODES = [
  ...['SESSION_REPLACED', 'SESSION_KICKED', 'SESSION_REVOKED', 'SESSION_LOGGED_OUT', 'SESSION_EXPIRED'],
  ...['SESSION_IDLE', 'ACCOUNT_DISABLED', 'REFRESH_REUSED'],
];

describe('the end of a session', () => {
  it.each(END_CODES)('%s forgets the tokens and is told once', async (errorCode) => {
    const { client, ends } = browser.signIn(2);
    server.onRequest = (response) => refuse(response, errorCode);
    const answers = await Promise.all([client.fetch('/one'), client.fetch('/two'), client.fetch('/three')]);
    for (const answer of answers) expect([answer.status, await answer.json()]).toMatchObject([401, { errorCode }]);
    expect([client.token, browser.stored, server.received.length]).toEqual([null, null, 3]);
    expect(ends).toEqual([{ errorCode, message: `It is ${errorCode}.` }]);
  });

  it('is not a step-up that RFC 9470 asks for with 401: nothing is forgotten, refreshed or repeated', async () => {
    const { client, ends } = browser.signIn(2);
    server.onRequest = (response) => refuse(response, 'FRESH_LOGIN_REQUIRED', { maxAge: 600, amr: ['mfa'] });
    for (const body of [undefined, new ReadableStream({ pull: (to) => to.close() })]) {
      const init = body && { method: 'POST', body, duplex: 'half' };
      const answer = await client.fetch('/one', init as RequestInit | undefined);
      expect([answer.status, await answer.json()]).toMatchObject([401, { maxAge: 600, amr: ['mfa'] }]);
    }
    expect(server.received.map(({ path }) => path)).toEqual(['/one', '/one']);
    expect([client.token, client.signedIn, ends]).toEqual(['access-2', true, []]);
    server.onRequest = null;
    expect((await client.fetch('/one')).status).toBe(200);
  });

  it('is told with all that the server says of it, in every tab, and the tokens are gone by then', async () => {
    const [one, two] = [browser.openTab(), browser.openTab()];
    const seen: (string | null)[] = [];
    const three = browser.openTab({ onEnd: () => void seen.push(three.client.token) });
    one.client.setTokens(pair(2));
    await until(() => two.client.token !== null);
    const endedAt = '2026-11-24T08:00:00.000Z';
    const replacedBy = { deviceType: 'laptop', deviceName: 'Work', at: endedAt };
    server.onRequest = (response) => refuse(response, 'SESSION_REPLACED', { endedAt, replacedBy });
    await one.client.fetch('/one');
    await until(() => two.ends.length + seen.length === 2);
    const end = { errorCode: 'SESSION_REPLACED', message: 'It is SESSION_REPLACED.', endedAt, replacedBy };
    expect([one.ends, two.ends, seen]).toEqual([[end], [end], [null]]);
    expect([one.client.token, two.client.token]).toEqual([null, null]);
  });

  it('that two tabs find out by themselves is told once in each', async () => {
    const [one, two] = browser.signInTwo(2);
    server.onRequest = async (response) => {
      await until(() => server.received.length === 2);
      refuse(response, 'SESSION_KICKED');
    };
    await Promise.all([one.client.fetch('/one'), two.client.fetch('/two')]);
    await messagesArrived();
    expect([one.ends.length, two.ends.length]).toEqual([1, 1]);
  });

  it('does not touch a login that came in between, and is not told', async () => {
    const [one, two] = browser.signInTwo(2);
    const bob = { accessToken: 'of-bob', sessionId: 'session-of-bob' };
    server.onRequest = (response) => {
      two.client.setTokens(bob);
      refuse(response, 'SESSION_KICKED');
    };
    expect((await one.client.fetch('/one')).status).toBe(401);
    await messagesArrived();
    expect([one.client.token, one.ends, two.ends]).toEqual(['of-bob', [], []]);
  });

  it('is not told after such a login either, though that is gone again', async () => {
    const [one, two] = browser.signInTwo(2);
    server.onRequest = (response) => {
      one.client.setTokens({ accessToken: 'of-bob' });
      two.client.clear();
      refuse(response, 'SESSION_KICKED');
    };
    await one.client.fetch('/one');
    expect([one.client.token, one.ends]).toEqual([null, []]);
  });

  it('is that of the session, though its token was renewed meanwhile', async () => {
    const { client, ends } = browser.signIn(2);
    server.onRequest = (response) => {
      client.setTokens(pair(3));
      refuse(response, 'SESSION_KICKED');
    };
    await client.fetch('/one');
    expect([client.token, ends.length]).toEqual([null, 1]);
  });

  it('is told again of the next login', async () => {
    const { client, ends } = browser.openTab();
    server.onRequest = (response) => refuse(response, 'SESSION_KICKED');
    for (let logins = 1; logins <= 3; logins += 1) {
      client.setTokens(pair(2));
      await client.fetch('/one');
      expect(ends).toHaveLength(logins);
    }
  });

  it('is not told where the application let go of the tokens first', async () => {
    const [one, two] = browser.signInTwo(2);
    server.onRequest = async (response, { path }) => {
      if (path === '/one') one.client.clear();
      await messagesArrived();
      refuse(response, 'SESSION_LOGGED_OUT');
    };
    await Promise.all([one.client.fetch('/one'), two.client.fetch('/two')]);
    expect([one.ends, two.ends, two.client.token]).toEqual([[], [], null]);
  });

  it('is of no matter to tabs with a storage of their own', async () => {
    const [one, two] = [browser.openTab(), browser.openTab({ storage: memoryStorage() })];
    one.client.setTokens(pair(2));
    two.client.setTokens(pair(2));
    server.onRequest = (response) => refuse(response, 'SESSION_KICKED');
    await one.client.fetch('/one');
    await messagesArrived();
    expect([two.ends, two.client.token]).toEqual([[], 'access-2']);
  });

  it('may be told to a function that throws: the answer comes all the same', async () => {
    const reported: unknown[] = [];
    const global = globalThis as { reportError?: (error: unknown) => void };
    global.reportError = (error) => void reported.push(error);
    try {
      const broken = () => {
        throw new Error('a bug');
      };
      const { client } = browser.signIn(2, { onEnd: broken });
      client.subscribe(broken);
      server.onRequest = (response) => refuse(response, 'SESSION_KICKED');
      expect((await client.fetch('/one')).status).toBe(401);
      // The listener was told of the login too.
      expect(reported).toEqual(Array(3).fill(new Error('a bug')));
    } finally {
      delete global.reportError;
    }
  });

  it('is told in no other words than those of a notice, whatever is posted to the tabs', async () => {
    const { ends } = browser.signIn(2);
    const { login } = JSON.parse(browser.stored!) as { login: string };
    const channel = new BroadcastChannel(`nestjs-latchkey:${browser.key}`);
    for (const message of [
      null,
      5,
      'ended',
      {},
      { type: 'ended' },
      { type: 'ended', login },
      { type: 'ended', login, notice: {} },
      { type: 'ended', login: 'another', notice: { errorCode: 'SESSION_KICKED' } },
    ]) {
      channel.postMessage(message);
    }
    const notice = { errorCode: 'SESSION_KICKED', message: 5, endedAt: {}, replacedBy: { at: 7 }, more: true };
    channel.postMessage({ type: 'ended', login, notice });
    await until(() => ends.length > 0);
    channel.close();
    const replacedBy = { deviceType: null, deviceName: null, at: null };
    expect(ends).toEqual([{ errorCode: 'SESSION_KICKED', message: '', replacedBy }]);
  });
});

describe('tabs', () => {
  it('hear of a login, a renewal and a clearing', async () => {
    const [one, two] = [browser.openTab(), browser.openTab()];
    const heard: (string | null)[] = [];
    const unsubscribe = two.client.subscribe(() => void heard.push(two.client.token));
    one.client.setTokens(pair(1));
    await until(() => heard.at(-1) === 'access-1');
    await one.client.fetch('/one');
    await until(() => heard.at(-1) === 'access-2');
    one.client.clear();
    await until(() => heard.at(-1) === null);
    expect(heard).toEqual(['access-1', 'access-2', null]);
    unsubscribe();
    one.client.setTokens(pair(2));
    await messagesArrived();
    expect(heard).toHaveLength(3);
  });

  it('hear nothing after they were closed, and can still send', async () => {
    const [one, two] = [browser.openTab(), browser.openTab()];
    let calls = 0;
    one.client.subscribe(() => void (calls += 1));
    one.client.close();
    two.client.setTokens(pair(2));
    await messagesArrived();
    expect(calls).toBe(0);
    expect((await one.client.fetch('/one')).status).toBe(200);
    one.client.clear();
    expect(two.client.token).toBeNull();
  });

  it('tell a listener once of what happens in one go, and never while the token is read', async () => {
    const client = createSessionClient({ baseUrl: server.url, storage: memoryStorage() });
    let calls = 0;
    client.subscribe(() => void (calls += 1));
    client.setTokens(pair(1));
    client.setTokens(pair(2));
    expect([client.token, calls]).toEqual(['access-2', 0]);
    await Promise.resolve();
    expect(calls).toBe(1);
  });
});

/** Waits until a message that is posted now would have come, and so all that were posted before. */
async function messagesArrived(): Promise<void> {
  const name = `nestjs-latchkey:${browser.key}`;
  const [from, to] = [new BroadcastChannel(name), new BroadcastChannel(name)];
  const arrived = new Promise((resolve) => (to.onmessage = resolve));
  from.postMessage('a message of the test');
  await arrived;
  from.close();
  to.close();
}
