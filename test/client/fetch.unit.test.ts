import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type SessionClient, createSessionClient, memoryStorage } from 'nestjs-latchkey/client';
import { collectGarbage } from '../support/memory.js';
import { until } from '../support/until.js';
import { type TestServer, refuse, reply, startServer } from './servers.js';
import { type TokenServer, pair, useTokenServer } from './token-server.js';

let server: TokenServer;
let client: SessionClient;

useTokenServer((started) => {
  server = started;
  client = createSessionClient({ baseUrl: `${server.url}/api/`, refreshUrl: '/refresh', storage: memoryStorage() });
  client.setTokens(pair(2));
  return () => client.close();
});

describe('the token', () => {
  let foreign: TestServer;
  beforeAll(async () => (foreign = await startServer((_, response) => refuse(response, 'SESSION_KICKED'))));
  beforeEach(() => void foreign.received.splice(0));
  afterAll(() => foreign.close());

  it.each<[string, () => Promise<Response>, string]>([
    ['a path', () => client.fetch('/me'), '/me'],
    ['a relative path', () => client.fetch('me?x=1'), '/api/me?x=1'],
    ['a whole URL', () => client.fetch(`${server.url}/me`), '/me'],
    ['a URL object', () => client.fetch(new URL('/me', server.url)), '/me'],
    ['a Request', () => client.fetch(new Request(`${server.url}/me`)), '/me'],
    ['a Request and init', () => client.fetch(new Request(`${server.url}/me`), { headers: { 'X-Own': '1' } }), '/me'],
  ])('is sent with %s', async (_, send, path) => {
    expect((await send()).status).toBe(200);
    expect(server.received).toMatchObject([{ path, authorization: 'Bearer access-2' }]);
  });

  it('is sent to no other origin, whose answers say nothing of the session', async () => {
    for (const input of [`${foreign.url}/me`, new URL(foreign.url), new Request(foreign.url)]) {
      expect((await client.fetch(input)).status).toBe(401);
    }
    expect(foreign.received.map(({ authorization }) => authorization)).toEqual([undefined, undefined, undefined]);
    expect(client.token).toBe('access-2');
  });

  it('is not taken from where a redirect leads', async () => {
    server.onRequest = (response) => response.writeHead(302, { Location: `${foreign.url}/me` }).end();
    expect((await client.fetch('/me')).status).toBe(401);
    expect(foreign.received).toMatchObject([{ authorization: undefined }]);
    expect(client.token).toBe('access-2');
  });

  it('does not take the place of an Authorization header, whose answer is not of the session', async () => {
    server.onRequest = (response) => refuse(response, 'SESSION_KICKED');
    const headers = { authorization: 'Basic YTpi' };
    await client.fetch('/me', { headers });
    await client.fetch(new Request(`${server.url}/me`, { headers }));
    await client.fetch(`${server.url}/me`, { headers: new Headers(headers) });
    expect(server.received.map(({ authorization }) => authorization)).toEqual(Array(3).fill('Basic YTpi'));
    expect(client.token).toBe('access-2');
  });

  it('is not there when nobody is logged in, and nothing is done about a 401', async () => {
    client.clear();
    expect((await client.fetch('/me')).status).toBe(401);
    expect(server.received).toMatchObject([{ authorization: undefined }]);
  });

  it('leaves the init of the caller as it was', async () => {
    const init = Object.freeze({ method: 'PUT', headers: Object.freeze({ 'X-Own': '1' }), body: 'text' });
    await client.fetch('/me', init);
    expect(init.headers).toEqual({ 'X-Own': '1' });
  });
});

describe('the body of a repeated request', () => {
  beforeEach(() => client.setTokens(pair(1)));

  const form = () => {
    const data = new FormData();
    data.set('name', 'alice');
    return data;
  };

  it.each<[string, () => Promise<Response>, RegExp]>([
    ['text', () => client.fetch('/x', { method: 'POST', body: 'text' }), /^text$/],
    ['bytes', () => client.fetch('/x', { method: 'POST', body: new Uint8Array([97, 98]) }), /^ab$/],
    ['a blob', () => client.fetch('/x', { method: 'POST', body: new Blob(['blob']) }), /^blob$/],
    ['a form', () => client.fetch('/x', { method: 'POST', body: form() }), /name="name"\r\n\r\nalice\r\n/],
    ['parameters', () => client.fetch('/x', { method: 'POST', body: new URLSearchParams({ a: '1' }) }), /^a=1$/],
    ['a Request', () => client.fetch(new Request(`${server.url}/x`, { method: 'POST', body: 'mine' })), /^mine$/],
    [
      'a Request with a body of its own and another in init',
      () => client.fetch(new Request(`${server.url}/x`, { method: 'POST', body: 'mine' }), { body: 'other' }),
      /^other$/,
    ],
  ])('is sent again: %s', async (_, send, body) => {
    const answer = await send();
    expect(await answer.json()).toEqual({ ok: expect.stringMatching(body) });
    const [first, second] = server.at('/x');
    expect(second!.body.length).toBe(first!.body.length);
    expect(second!.contentType?.split(';')[0]).toBe(first!.contentType?.split(';')[0]);
  });

  const stream = () => new Blob(['from a stream']).stream() as unknown as ReadableStream;
  const streaming = () => ({ method: 'POST', body: stream(), duplex: 'half' }) as const;

  it('of a Request made from a stream is sent again, from a copy', async () => {
    const answer = await client.fetch(new Request(`${server.url}/x`, streaming()));
    expect(await answer.json()).toEqual({ ok: 'from a stream' });
    expect(server.at('/x')).toHaveLength(2);
  });

  it('is not sent again where it is a stream: the answer is the 401, and the token is new', async () => {
    // The client knows of no end of this token.
    client.setTokens({ ...pair(1), expiresIn: undefined });
    const answer = await client.fetch('/x', streaming());
    expect([answer.status, await answer.json()]).toMatchObject([401, { errorCode: 'TOKEN_EXPIRED' }]);
    expect(server.at('/x').map(({ body }) => body)).toEqual(['from a stream']);
    expect(client.token).toBe('access-2');
    expect((await client.fetch('/x', streaming())).status).toBe(200);
  });

  it('that is a stream waits for a new token where the old one is known to be over', async () => {
    client.setTokens({ ...pair(1), expiresIn: 0 });
    expect((await client.fetch('/x', streaming())).status).toBe(200);
    expect(server.received.map(({ path }) => path)).toEqual(['/refresh', '/x']);
  });

  it('is refused as fetch refuses it', async () => {
    await expect(client.fetch('/x', { body: 'text' })).rejects.toMatchObject({ name: 'TypeError' });
    const used = new Request(`${server.url}/x`, { method: 'POST', body: 'mine' });
    await used.text();
    await expect(client.fetch(used)).rejects.toMatchObject({ name: 'TypeError' });
    await expect(client.fetch('http://')).rejects.toMatchObject({ name: 'TypeError' });
    expect(server.received).toEqual([]);
  });
});

describe('an answer', () => {
  it('is the one of fetch itself', async () => {
    const answers: Response[] = [];
    const own = createSessionClient({
      baseUrl: server.url,
      storage: memoryStorage(),
      fetch: async (input, init) => {
        const answer = await fetch(input, init);
        answers.push(answer);
        return answer;
      },
    });
    own.setTokens(pair(2));
    server.onRequest = (response) => response.writeHead(204).end();
    const answer = await own.fetch('/x');
    expect(answer).toBe(answers[0]);
    expect([answer.status, answer.body]).toEqual([204, null]);
  });

  it('that streams is there with its head, and is read as it comes', async () => {
    let goOn: () => void = () => undefined;
    server.onRequest = (response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: 1\n\n');
      goOn = () => response.end('data: 2\n\n');
    };
    const { body } = await client.fetch('/live');
    const reader = body!.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader.read()).value).toBe('data: 1\n\n');
    goOn();
    expect((await reader.read()).value).toBe('data: 2\n\n');
  });

  it.each<[string, string, string]>([
    ['of another kind', 'text/html', '{"errorCode":"SESSION_KICKED"}'],
    ['that is no JSON', 'application/json', 'SESSION_KICKED'],
    ['without a code', 'application/json', '{"statusCode":401}'],
    ['with a code of the application', 'application/json', '{"errorCode":"BAD_CREDENTIALS"}'],
    ['with a code that is no text', 'application/json', '{"errorCode":["SESSION_KICKED"]}'],
    ['that is null', 'application/json', 'null'],
  ])('401 %s is passed on, and says nothing of the session', async (_, type, text) => {
    server.onRequest = (response) => response.writeHead(401, { 'Content-Type': type }).end(text);
    const answer = await client.fetch('/x');
    expect([answer.status, await answer.text()]).toEqual([401, text]);
    expect([client.token, server.received.length]).toEqual(['access-2', 1]);
  });

  it('D33: is given up with the signal of the caller, while it is read, even after a garbage collection', async () => {
    let closed = false;
    server.onRequest = (response) => {
      response.once('close', () => (closed = true));
      response.write('begin');
    };
    const caller = new AbortController();
    const reader = (await client.fetch('/endless', { signal: caller.signal })).body!.getReader();
    await reader.read();
    // What is held weakly goes when the turn is over in which it was made.
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(() => resolve(collectGarbage())));
    caller.abort(new Error('Enough.'));
    await until(() => closed);
    await expect(reader.read()).rejects.toThrow('Enough.');
  });

  it('401 that is longer than any error is not read to its end', async () => {
    let closed = false;
    server.onRequest = (response) => {
      response.writeHead(401, { 'Content-Type': 'application/json' });
      response.on('close', () => (closed = true));
      const more = () => {
        if (!closed && !response.write('1'.repeat(65_536))) response.once('drain', more);
      };
      more();
    };
    const answer = await client.fetch('/x');
    expect(answer.status).toBe(401);
    await answer.body!.cancel();
    await until(() => closed);
    expect(client.token).toBe('access-2');
  });

  it('401 whose body does not end is passed on all the same', async () => {
    server.onRequest = (response) => {
      response.writeHead(401, { 'Content-Type': 'application/json' }).write('{"errorCode":"SESSION_KICKED"');
    };
    const answer = await client.fetch('/x');
    expect([answer.status, client.token]).toEqual([401, 'access-2']);
    const reader = answer.body!.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('{"errorCode":"SESSION_KICKED"');
  });

  it.each([403, 404, 500, 503])('%s is passed on, with the tokens kept', async (status) => {
    server.onRequest = (response) => reply(response, status, { errorCode: 'SESSION_KICKED' });
    expect((await client.fetch('/x')).status).toBe(status);
    expect(client.token).toBe('access-2');
  });

  it('that does not come rejects as fetch does, with the tokens kept', async () => {
    server.onRequest = (response) => response.destroy();
    await expect(client.fetch('/x')).rejects.toMatchObject({ name: 'TypeError' });
    expect([client.token, server.received[0]!.authorization]).toEqual(['access-2', 'Bearer access-2']);
  });
});

describe('a renewed token', () => {
  const renewed = { 'X-Renewed-Token': 'access-3', 'X-Renewed-Token-Expires-In': '7200' };

  it.each([200, 403, 500])('is taken from an answer %s', async (status) => {
    server.onRequest = (response) => reply(response, status, {}, renewed);
    await client.fetch('/x');
    expect(client.token).toBe('access-3');
  });

  it('is not taken for a token that has been followed already, nor by another login', async () => {
    const between: (() => void)[] = [
      () => client.setTokens({ accessToken: 'of-bob', sessionId: 'session-of-bob' }),
      () => client.setTokens({ ...pair(4) }),
      () => client.clear(),
    ];
    const kept: (string | null)[] = [];
    for (const happens of between) {
      client.setTokens(pair(2));
      server.onRequest = (response) => {
        happens();
        reply(response, 200, {}, renewed);
      };
      await client.fetch('/x');
      kept.push(client.token);
    }
    expect(kept).toEqual(['of-bob', 'access-4', null]);
  });

  it('that cannot be one is not taken', async () => {
    server.onRequest = (response) => reply(response, 200, {}, { 'X-Renewed-Token': 'two words' });
    await client.fetch('/x');
    expect(client.token).toBe('access-2');
  });
});
