import { afterEach, describe, expect, it } from '@jest/globals';
import * as client from 'nestjs-latchkey/client';
import { type SessionClientOptions, createSessionClient, memoryStorage } from 'nestjs-latchkey/client';

const baseUrl = 'https://api.example/v1/';

describe('the options', () => {
  it.each<[string, unknown]>([
    ['baseUrl', { baseUrl: 5 }],
    ['baseUrl', { baseUrl: '/api' }],
    ['baseUrl', { baseUrl: 'ftp://api.example' }],
    ['baseUrl', { baseUrl: 'data:text/plain,hello' }],
    ['baseUrl', {}],
    ['refreshUrl', { baseUrl, refreshUrl: 'https://evil.example/refresh' }],
    ['refreshUrl', { baseUrl, refreshUrl: '//evil.example/refresh' }],
    ['refreshUrl', { baseUrl, refreshUrl: 'http://api.example/refresh' }],
    ['refreshUrl', { baseUrl, refreshUrl: 'blob:https://api.example/1' }],
    ['refreshUrl', { baseUrl, refreshUrl: 'http://' }],
    ['refreshUrl', { baseUrl, refreshUrl: true }],
    ['cookies', { baseUrl, cookies: 'yes' }],
    ['logoutUrl', { baseUrl, logoutUrl: true }],
    ['logoutUrl', { baseUrl, cookies: true, logoutUrl: 'https://evil.example/logout' }],
    ['storage', { baseUrl, storage: {} }],
    ['storage', { baseUrl, storage: null }],
    ['onEnd', { baseUrl, onEnd: 'reload' }],
    ['fetch', { baseUrl, fetch: {} }],
    ['locks', { baseUrl, locks: {} }],
    ['headers', { baseUrl, headers: 'X-Renewed' }],
    ['headers.renewedToken', { baseUrl, headers: { renewedToken: 'X Renewed' } }],
    ['headers.noActivity', { baseUrl, headers: { noActivity: true } }],
    ['headers.renewedTokens', { baseUrl, headers: { renewedTokens: 'X-Renewed' } }],
    ['refreshTimeoutMs', { baseUrl, refreshTimeoutMs: 0 }],
    ['refreshTimeoutMs', { baseUrl, refreshTimeoutMs: '5s' }],
    ['refreshURL', { baseUrl, refreshURL: '/refresh' }],
    ['options', null],
  ])('are refused with a TypeError that names %s', (name, options) => {
    const create = () => createSessionClient(options as SessionClientOptions);
    expect(create).toThrow(TypeError);
    expect(create).toThrow(name === 'options' ? 'options' : `"${name}"`);
  });

  it('may be left undefined', () => {
    const none = { refreshUrl: undefined, storage: undefined, onEnd: undefined, fetch: undefined, locks: undefined };
    createSessionClient({ baseUrl, headers: undefined, refreshTimeoutMs: undefined, ...none }).close();
  });
});

describe('the page', () => {
  const page = globalThis as { document?: unknown; location?: unknown };

  afterEach(() => {
    delete page.document;
    delete page.location;
  });

  it('is what paths are resolved against without baseUrl, as it is at that moment', async () => {
    const sent: [string, string | null][] = [];
    const send = async (input: unknown) => {
      const request = input as Request;
      sent.push([request.url, request.headers.get('authorization')]);
      return new Response();
    };
    page.location = { href: 'https://shop.example/a/b' };
    const sessions = createSessionClient({ storage: memoryStorage(), fetch: send as typeof fetch });
    sessions.setTokens({ accessToken: 'token' });
    await sessions.fetch('c');
    page.document = { baseURI: 'https://shop.example/d/e' };
    await sessions.fetch('c');
    await sessions.fetch('//other.example/c');
    expect(sent).toEqual([
      ['https://shop.example/a/c', 'Bearer token'],
      ['https://shop.example/d/c', 'Bearer token'],
      ['https://other.example/c', null],
    ]);
  });
});

describe('nestjs-latchkey/client', () => {
  it('exports what is documented', () => {
    expect(Object.keys(client).sort()).toEqual(['asyncStorage', 'createSessionClient', 'memoryStorage', 'webStorage']);
  });
});
