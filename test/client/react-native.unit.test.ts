import { describe, expect, it } from '@jest/globals';
import {
  type SessionClientOptions,
  type SessionEndNotice,
  asyncStorage,
  createSessionClient,
} from 'nestjs-latchkey/client';
import { until } from '../support/until.js';
import { LaterStorage, loadOnReactNative } from './react-native.js';
import { refuse } from './servers.js';
import { type TokenServer, pair, useTokenServer } from './token-server.js';

let server: TokenServer;
let storage: LaterStorage;
useTokenServer((started) => {
  server = started;
  storage = new LaterStorage();
});

describe('the client on React Native', () => {
  async function open(options: SessionClientOptions = {}) {
    const client = await loadOnReactNative();
    const own = client.asyncStorage(storage);
    return client.createSessionClient({ baseUrl: server.url, refreshUrl: '/refresh', storage: own, ...options });
  }
  const stored = () =>
    (JSON.parse(storage.entries.get('nestjs-latchkey') ?? 'null') as { accessToken: string })?.accessToken;

  it('renews tokens once for all requests, keeps them, and goes on with them after a restart of the app', async () => {
    const first = await open();
    first.setTokens(pair(1));
    const body = { method: 'POST', body: 'text' };
    const answers = await Promise.all(Array.from({ length: 5 }, () => first.fetch('/work', body)));
    for (const answer of answers) expect([answer.status, await answer.json()]).toEqual([200, { ok: 'text' }]);
    expect([server.at('/refresh').length, first.token]).toEqual([1, 'access-2']);
    await until(() => stored() === 'access-2');

    const second = await open();
    let changes = 0;
    second.subscribe(() => (changes += 1));
    expect(second.token).toBeNull();
    // Asked before the storage has answered.
    expect((await second.fetch('/work')).status).toBe(200);
    await second.ready;
    expect([second.token, changes]).toEqual(['access-2', 1]);
    second.clear();
    await until(() => stored() === undefined);
  });

  it('gives up a refresh that takes too long', async () => {
    server.onRefresh = () => undefined;
    const sessions = await open({ refreshTimeoutMs: 50 });
    sessions.setTokens(pair(1));
    expect([(await sessions.fetch('/work')).status, sessions.token]).toEqual([401, 'access-1']);
  });

  it('gives up a request whose caller does, while it waits for a refresh', async () => {
    const caller = new AbortController();
    server.onRefresh = () => caller.abort(new Error('Not any more.'));
    const sessions = await open({ refreshTimeoutMs: 1000 });
    sessions.setTokens(pair(1));
    await expect(sessions.fetch('/work', { signal: caller.signal })).rejects.toThrow('Not any more.');
  });

  it('renews tokens where a fetch says null for bodies that it has', async () => {
    const whole = (text: string, { status, ok, url, headers }: Response): object => ({
      ...{ status, ok, url, headers, body: null },
      text: async () => text,
      json: async () => JSON.parse(text) as unknown,
      clone: () => whole(text, { status, ok, url, headers } as Response),
    });
    const own = async (...request: Parameters<typeof fetch>) => {
      const answer = await fetch(...request);
      return whole(await answer.text(), answer) as Response;
    };
    const sessions = createSessionClient({ baseUrl: server.url, refreshUrl: '/refresh', fetch: own });
    sessions.setTokens(pair(1));
    expect([(await sessions.fetch('/work')).status, sessions.token]).toEqual([200, 'access-2']);
  });

  it('is told why the session ended, and can still read the answer', async () => {
    const ends: SessionEndNotice[] = [];
    server.onRequest = (response) => refuse(response, 'SESSION_REPLACED');
    const sessions = await open({ onEnd: (end) => ends.push(end) });
    sessions.setTokens(pair(2));
    const answer = await sessions.fetch('/work');
    expect([ends[0]?.errorCode, sessions.token]).toEqual(['SESSION_REPLACED', null]);
    expect(await answer.json()).toMatchObject({ errorCode: 'SESSION_REPLACED' });
    await until(() => storage.entries.size === 0);
  });

  it('says what is missing: a whole URL, and streams', async () => {
    const { createSessionClient: create } = await loadOnReactNative(['URL']);
    expect(() => create({ baseUrl: server.url })).toThrow(
      /needs a complete implementation of URL.*react-native-url-polyfill/,
    );
    const sessions = await open();
    expect(() => sessions.watch('/live', { onEvent: () => undefined })).toThrow(
      /watch\(\) needs a fetch whose answers have a body/,
    );
  });
});

describe('a storage that answers later', () => {
  const open = (storage: SessionClientOptions['storage']) => createSessionClient({ baseUrl: server.url, storage });

  it('does not take the place of a login that came before its answer', async () => {
    storage.entries.set('nestjs-latchkey', JSON.stringify({ accessToken: 'old', refreshToken: null, login: 'before' }));
    const sessions = open(asyncStorage(storage));
    sessions.setTokens(pair(2));
    await sessions.ready;
    expect(sessions.token).toBe('access-2');
    const cleared = open(asyncStorage(storage));
    cleared.clear();
    await cleared.ready;
    expect(cleared.token).toBeNull();
  });

  it('that fails is as none', async () => {
    const fails = () => Promise.reject(new Error('Broken.'));
    const sessions = open(asyncStorage({ getItem: fails, setItem: fails, removeItem: fails }));
    await sessions.ready;
    sessions.setTokens(pair(2));
    expect((await sessions.fetch('/work')).status).toBe(200);
    sessions.clear();
  });

  it('is waited for by watch', async () => {
    server.onRequest = (response) => response.writeHead(200).write('data: hello\n\n');
    open(asyncStorage(storage)).setTokens(pair(2));
    await until(() => storage.entries.size === 1);
    const heard: string[] = [];
    const sessions = open(asyncStorage(storage));
    sessions.watch('/live', { onEvent: ({ data }) => heard.push(data) });
    await until(() => heard.length > 0);
    expect([heard, server.at('/live')[0]!.authorization]).toEqual([['hello'], 'Bearer access-2']);
    sessions.close();
  });

  it('is not taken for one that answers at once', () => {
    const read = () => storage.getItem('x');
    expect(() => open({ read, write: () => undefined } as never)).toThrow(
      /"storage" .* must be wrapped by asyncStorage\(\)/,
    );
  });
});
