import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  type SessionClient,
  type SessionTokens,
  type TokenStorage,
  type WebStorage,
  createSessionClient,
  memoryStorage,
  webStorage,
} from 'nestjs-latchkey/client';
import { SharedStorage } from './tabs.js';
import { type TokenServer, pair, useTokenServer } from './token-server.js';

const baseUrl = 'http://localhost';
const clients: SessionClient[] = [];
const openWith = (own?: TokenStorage, more: object = {}) => {
  const client = createSessionClient({ baseUrl, storage: own, ...more });
  clients.push(client);
  return client;
};
let storage: SharedStorage;
const fails = () => {
  throw new Error('forbidden');
};

const page = globalThis as Record<string, unknown>;
const given: string[] = [];
function give(name: string, descriptor: PropertyDescriptor): void {
  Object.defineProperty(page, name, { configurable: true, ...descriptor });
  given.push(name);
}

beforeEach(() => void (storage = new SharedStorage()));
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  for (const name of given.splice(0)) delete page[name];
});

describe('what is stored', () => {
  const good = { accessToken: 'access', refreshToken: null, expiresAt: null, sessionId: null, login: 'a' };

  it.each<[string, unknown]>([
    ['nothing', ''],
    ['no JSON', '{"accessToken":'],
    ['null', null],
    ['a number', 5],
    ['a list', ['access']],
    ['an empty object', {}],
    ['a token that is no text', { ...good, accessToken: { toString: () => 'x' } }],
    ['an empty token', { ...good, accessToken: '' }],
    ['a token with the end of a header in it', { ...good, accessToken: 'a\r\nX-Evil: 1' }],
    ['a token with letters that no header can have', { ...good, accessToken: 'zażółć' }],
    ['a token without end', { ...good, accessToken: 'a'.repeat(20_000) }],
    ['a refresh token that is no text', { ...good, refreshToken: 5 }],
    ['an old version without a login', { ...good, login: undefined }],
  ])('is read as nothing if it is %s', async (_, value) => {
    storage.setItem('key', typeof value === 'string' ? value : JSON.stringify(value));
    const client = openWith(webStorage(storage, 'key'));
    expect(client.token).toBeNull();
    client.setTokens(pair(1));
    expect(client.token).toBe('access-1');
  });

  it('is read, with what is of no use left out', () => {
    storage.setItem('key', JSON.stringify({ ...good, expiresAt: 'soon', sessionId: 5, more: true }));
    const client = openWith(webStorage(storage, 'key'));
    expect(client.token).toBe('access');
  });

  it('goes with clear, whatever it was', () => {
    storage.setItem('key', 'something else');
    const client = openWith(webStorage(storage, 'key'));
    client.clear();
    expect(storage.entries.size).toBe(0);
  });

  it('is one entry, and in memory none', () => {
    give('localStorage', { value: storage });
    const client = openWith();
    client.setTokens(pair(1));
    expect([...storage.entries.keys()]).toEqual(['nestjs-latchkey']);
    openWith(memoryStorage()).setTokens(pair(2));
    expect(storage.getItem('nestjs-latchkey')).toContain('access-1');
  });
});

describe('the default storage', () => {
  const full = Object.assign(new SharedStorage(), { setItem: fails });
  it.each<[string, PropertyDescriptor]>([
    ['there is none', { value: undefined }],
    ['the browser has turned it off', { value: null }],
    ['looking at it is forbidden', { get: fails }],
    ['it takes nothing', { value: full }],
  ])('is memory where %s', (_, descriptor) => {
    give('localStorage', descriptor);
    const client = openWith();
    client.setTokens(pair(1));
    expect(client.token).toBe('access-1');
    expect(openWith().token).toBeNull();
  });
});

describe('a storage that fails', () => {
  let server: TokenServer;
  useTokenServer((started) => void (server = started));

  it('to take renewed tokens loses none of them, until another tab has stored newer ones', async () => {
    const options = { baseUrl: server.url, refreshUrl: '/refresh' };
    const client = openWith(webStorage(storage, 'key'), options);
    client.setTokens(pair(1));
    const setItem = storage.setItem.bind(storage);
    storage.setItem = fails;
    expect((await client.fetch('/one')).status).toBe(200);
    expect((await client.fetch('/two')).status).toBe(200);
    expect(server.at('/refresh')).toHaveLength(1);
    expect(storage.getItem('key')).toContain('access-1');
    storage.setItem = setItem;
    openWith(webStorage(storage, 'key'), options).setTokens(pair(3));
    expect(client.token).toBe('access-3');
  });

  it('to be read has nothing', () => expect(openWith({ read: fails, write: () => undefined }).token).toBeNull());
});

describe('the events of a page', () => {
  it('tell of what other tabs wrote, where there are no channels', async () => {
    const listeners = new Set<readonly [string, (event: unknown) => void]>();
    give('addEventListener', { value: (...added: [string, () => void]) => listeners.add(added) });
    give('removeEventListener', {
      value: (...removed: [string, () => void]) => {
        for (const added of listeners) if (added[1] === removed[1]) listeners.delete(added);
      },
    });
    const client = openWith({ ...webStorage(storage, 'key'), shared: null });
    const own = [...listeners];
    const heard: (string | null)[] = [];
    client.subscribe(() => void heard.push(client.token));
    const dispatch = async (name: string, event: object = {}) => {
      for (const [type, listener] of listeners) if (type === name) listener(event);
      await Promise.resolve();
    };
    const other = openWith({ ...webStorage(storage, 'key'), shared: null });
    other.setTokens(pair(1));
    await dispatch('storage', { storageArea: storage, key: 'other' });
    await dispatch('storage', { storageArea: new SharedStorage(), key: 'key' });
    expect(heard).toEqual([]);
    await dispatch('storage', { storageArea: storage, key: 'key' });
    storage.entries.clear();
    await dispatch('storage', { storageArea: storage, key: null });
    other.setTokens(pair(2));
    await dispatch('pageshow');
    expect(heard).toEqual(['access-1', null, 'access-2']);
    client.close();
    expect(own.length).toBeGreaterThan(0);
    expect(own.filter((added) => listeners.has(added))).toEqual([]);
  });
});

describe('what is given', () => {
  it.each<[string, unknown]>([
    ['an object', null],
    ['accessToken', {}],
    ['accessToken', { accessToken: 'two words' }],
    ['refreshToken', { accessToken: 'a', refreshToken: 5 }],
    ['expiresIn', { accessToken: 'a', expiresIn: '5m' }],
    ['sessionId', { accessToken: 'a', sessionId: 5 }],
  ])('to setTokens must have %s right', (name, tokens) => {
    const client = openWith(memoryStorage());
    expect(() => client.setTokens(tokens as SessionTokens)).toThrow(TypeError);
    expect(() => client.setTokens(tokens as SessionTokens)).toThrow(name);
    expect(client.token).toBeNull();
  });

  it('to webStorage must be a storage', () => {
    expect(() => webStorage({} as WebStorage)).toThrow(TypeError);
    expect(() => webStorage(new SharedStorage(), '')).toThrow(TypeError);
  });
});
