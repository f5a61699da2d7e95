import { describe, expect, it, jest } from '@jest/globals';
import type { ServerResponse } from 'node:http';
import {
  type SessionEndNotice,
  type SessionClient,
  type StreamEvent,
  type WatchOptions,
  type WatchState,
  createSessionClient,
  memoryStorage,
} from 'nestjs-latchkey/client';
import { backOff } from 'lib/stream-watch.js';
import { until } from '../support/until.js';
import { refuse, reply } from './servers.js';
import { type TokenServer, pair, useTokenServer } from './token-server.js';

let server: TokenServer;
let client: SessionClient;
let ends: SessionEndNotice[];
let events: StreamEvent[];
let states: WatchState[];
let streams: ServerResponse[];

useTokenServer((started) => {
  [ends, events, states, streams] = [[], [], [], []];
  server = started;
  server.onRequest = (response) => open(response);
  const onEnd = (end: SessionEndNotice) => void ends.push(end);
  client = createSessionClient({ baseUrl: server.url, refreshUrl: '/refresh', storage: memoryStorage(), onEnd });
  client.setTokens(pair(2));
  return () => client.close();
});

function open(response: ServerResponse): void {
  response.writeHead(200, { 'Content-Type': 'text/event-stream' });
  // Soon, so that no test waits long for the next attempt.
  response.write('retry: 10\n\n');
  response.on('close', () => streams.splice(streams.indexOf(response), 1));
  streams.push(response);
}

const watch = (options: Partial<WatchOptions> = {}) =>
  client.watch('/live', {
    onEvent: (event) => void events.push(event),
    onState: (state) => void states.push(state),
    ...options,
  });
const isLive = () => until(() => states.at(-1) === 'live' && streams.length === 1);
const data = () => events.map((event) => event.data);

describe('a watched stream', () => {
  it('brings its events, with the token of the session', async () => {
    watch();
    await isLive();
    streams[0]!.write('event: change\nid: 7\ndata: {"a":1}\n\n: heartbeat\n\ndata: two\ndata: lines\n\n');
    await until(() => events.length === 2);
    expect(events).toEqual([
      { event: 'change', id: '7', data: '{"a":1}' },
      { event: 'message', id: '7', data: 'two\nlines' },
    ]);
    expect(server.at('/live')).toMatchObject([{ authorization: 'Bearer access-2', lastEventId: undefined }]);
    expect(states).toEqual(['connecting', 'live']);
  });

  it('that goes silent is given up and opened again where it broke off, as often as it takes', async () => {
    server.onRequest = (response) => {
      open(response);
      // Then the connection stays open, and nothing comes.
      response.write('id: 8\ndata: one\n\n');
    };
    watch({ silenceMs: 200 });
    await until(() => events.length >= 3);
    expect(server.at('/live').slice(0, 2)).toMatchObject([{ lastEventId: undefined }, { lastEventId: '8' }]);
    expect(states.slice(0, 4)).toEqual(['connecting', 'live', 'waiting', 'connecting']);
    await until(() => streams.length < 2);
  });

  it('that never answers at all is given up too', async () => {
    server.onRequest = () => undefined;
    watch({ silenceMs: 30 });
    await until(() => server.at('/live').length >= 2, 10_000);
    expect(new Set(states)).toEqual(new Set(['connecting', 'waiting']));
  });

  it('stays open as long as heartbeats come', async () => {
    watch({ silenceMs: 1000 });
    await isLive();
    let sent = 0;
    const beats = setInterval(() => streams[0]?.write(`: heartbeat ${sent++}\n\n`), 20);
    await until(() => sent >= 75);
    clearInterval(beats);
    expect(server.at('/live')).toHaveLength(1);
  });

  it.each([503, 429, 500, 401])('is tried again after a %d, and the session lives', async (status) => {
    server.onRequest = (response, request) =>
      server.at('/live').indexOf(request) === 0 ? refuse(response, 'UNKNOWN', {}, status) : open(response);
    watch();
    await isLive();
    expect(states).toEqual(['connecting', 'waiting', 'connecting', 'live']);
    expect([ends, client.token]).toEqual([[], 'access-2']);
  });

  it('begins anew where the server refuses the id of its last event, once', async () => {
    let asked = 0;
    server.onRequest = (response, { lastEventId }) => {
      asked++;
      if (lastEventId === undefined && asked === 2) open(response);
      else reply(response, 400, { errorCode: 'CURSOR_INVALID' });
    };
    watch({ lastEventId: 'of another list' });
    await isLive();
    streams[0]!.end('id: 8\ndata: 1\n\n');
    await until(() => states.at(-1) === 'stopped');
    // With the id that came, and without it.
    expect(asked).toBe(4);
  });

  it('waits as long as Retry-After says, up to ten minutes', async () => {
    const timers = jest.spyOn(globalThis, 'setTimeout');
    const delays = () => timers.mock.calls.map(([, delay]) => delay);
    server.onRequest = (response) => reply(response, 503, {}, { 'Retry-After': '77' });
    watch();
    await until(() => delays().includes(77_000));
    client.setTokens({ ...pair(2), sessionId: 'another' });
    server.onRequest = (response) => reply(response, 503, {}, { 'Retry-After': '99999' });
    watch();
    await until(() => delays().includes(600_000));
    timers.mockRestore();
  });

  it.each([204, 403, 404])('is over for good after a %d', async (status) => {
    server.onRequest = (response) => (status === 204 ? response.writeHead(204).end() : reply(response, status, {}));
    watch();
    await until(() => states.at(-1) === 'stopped');
    expect([states, server.at('/live').length, client.token]).toEqual([['connecting', 'stopped'], 1, 'access-2']);
  });

  it('gets a new token where the one before is over', async () => {
    client.setTokens(pair(1));
    server.onRequest = (response, { authorization }) =>
      authorization === 'Bearer access-2' ? open(response) : refuse(response, 'TOKEN_EXPIRED');
    watch();
    await isLive();
    expect(client.token).toBe('access-2');
  });

  it('goes on after an error of its listener, which is reported', async () => {
    const reported: unknown[] = [];
    Object.assign(globalThis, { reportError: (error: unknown) => void reported.push(error) });
    watch({
      onEvent: (event) => {
        events.push(event);
        throw new Error(event.data);
      },
    });
    await isLive();
    streams[0]!.write('data: 1\n\ndata: 2\n\n');
    await until(() => events.length === 2);
    Reflect.deleteProperty(globalThis, 'reportError');
    expect(reported.map(String)).toEqual(['Error: 1', 'Error: 2']);
  });

  it('that sends an endless event is taken for none', async () => {
    watch();
    await isLive();
    streams[0]!.write(`data: ${'x'.repeat(1_100_000)}`);
    await until(() => states.includes('waiting'));
    expect(events).toEqual([]);
  });
});

describe('the end of the session', () => {
  it('is told by the stream, asked for at once, and stops the watch', async () => {
    server.onRequest = (response) =>
      server.at('/live').length === 1 ? open(response) : refuse(response, 'SESSION_KICKED', { endedAt: 'then' });
    watch();
    await isLive();
    streams[0]!.write('event: end\ndata: {"errorCode":"SESSION_KICKED"}\n\n');
    await until(() => states.at(-1) === 'stopped');
    expect(data()).toEqual(['{"errorCode":"SESSION_KICKED"}']);
    expect(ends).toEqual([{ errorCode: 'SESSION_KICKED', message: 'It is SESSION_KICKED.', endedAt: 'then' }]);
    expect(states).toEqual(['connecting', 'live', 'connecting', 'stopped']);
  });

  it('by a logout or another login stops it, and nothing more is heard of it', async () => {
    for (const change of [() => client.clear(), () => client.setTokens({ ...pair(2), sessionId: 'another' })]) {
      client.setTokens(pair(2));
      [events, states] = [[], []];
      watch();
      await isLive();
      change();
      await until(() => states.at(-1) === 'stopped' && streams.length === 0);
      expect(events).toEqual([]);
    }
  });

  it('is no end where the tokens are only renewed', async () => {
    watch();
    await isLive();
    client.setTokens(pair(3));
    streams[0]!.write('data: still here\n\n');
    await until(() => data().includes('still here'));
  });
});

describe('watch()', () => {
  it('stops when it is told to, or the client is closed, and says nothing more', async () => {
    for (const end of [(stop: () => void) => stop(), () => client.close()]) {
      states = [];
      const stop = watch();
      await isLive();
      end(stop);
      await until(() => streams.length === 0);
      expect(states).toEqual(['connecting', 'live']);
    }
  });

  it('without a session is stopped before it begins', async () => {
    client.clear();
    watch();
    await until(() => states.length > 0);
    expect([states, server.received]).toEqual([['stopped'], []]);
  });

  it.each<[string, object | null]>([
    ['options', null],
    ['"onEvent"', {}],
    ['"onState"', { onEvent: () => undefined, onState: 'live' }],
    ['"lastEventId"', { onEvent: () => undefined, lastEventId: 'a\nb' }],
    ['"silenceMs"', { onEvent: () => undefined, silenceMs: '45s' }],
    ['"heartbeat"', { onEvent: () => undefined, heartbeat: 1 }],
  ])('refuses wrong options with a TypeError that names %s', (name, options) => {
    const call = () => client.watch('/live', options as WatchOptions);
    expect(call).toThrow(TypeError);
    expect(call).toThrow(name);
  });

  it('says so where fetch has no streams, as that of React Native', () => {
    const body = Object.getOwnPropertyDescriptor(Response.prototype, 'body')!;
    Reflect.deleteProperty(Response.prototype, 'body');
    try {
      expect(() => watch()).toThrow(/watch\(\) needs a fetch whose answers have a body/);
    } finally {
      Object.defineProperty(Response.prototype, 'body', body);
    }
  });
});

it('waits longer after each failure, never at the same time as all others, and not for ever', () => {
  const waits = Array.from({ length: 40 }, (_, failures) => [backOff(failures, 1000, 0), backOff(failures, 1000, 1)]);
  expect(waits.slice(0, 6)).toEqual([
    [500, 1000],
    [1000, 2000],
    [2000, 4000],
    [4000, 8000],
    [8000, 16_000],
    [15_000, 30_000],
  ]);
  expect(waits.at(-1)).toEqual([15_000, 30_000]);
  expect(backOff(0, 60_000, 1)).toBe(60_000);
});
