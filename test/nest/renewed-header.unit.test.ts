import { once } from 'node:events';
import http, { type OutgoingHttpHeaders, type ServerResponse } from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type CallHandler,
  Controller,
  type ExecutionContext,
  Get,
  Header,
  HttpException,
  Injectable,
  type NestInterceptor,
  NotFoundException,
  Param,
  Res,
  Sse,
  StreamableFile,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import {
  AuthGuard,
  RequireFresh,
  SessionError,
  SessionModule,
  type SessionModuleOptions,
  accessAndRefresh,
  fixed,
  sliding,
} from 'nestjs-latchkey';
import { ManualClock } from 'nestjs-latchkey/testing';
import { of, tap } from 'rxjs';
import { beforeHead } from 'lib/response-head.js';
import {
  adapters,
  controllerOf,
  guardIn,
  sessionOptions,
  SocketGuard,
  startApp,
  type HttpApp,
  type RawAnswer,
} from './http-app.js';

const MINUTE = 60_000;
const tokens = sliding({ ttl: '2h', renewWithin: '5m' });

/** A response of Express, or what a reply of Fastify hijacks. */
interface AnyResponse extends ServerResponse {
  readonly raw?: ServerResponse;
  hijack?(): void;
}

@Injectable()
class LateInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler) {
    const response = context.switchToHttp().getResponse<{ header(name: string, value: string): unknown }>();
    return next.handle().pipe(tap(() => response.header('Access-Control-Expose-Headers', 'X-Late')));
  }
}

@Injectable()
class SecondGuard extends AuthGuard {}

const ERRORS: Readonly<Record<string, () => Error>> = {
  missing: () => new NotFoundException(),
  teapot: () => new HttpException('short and stout', 418),
  broken: () => new TypeError('a bug'),
  limit: () => new SessionError('SESSION_LIMIT_REACHED'),
};

@Controller()
@UseGuards(AuthGuard)
class RoutesController {
  @Get('me')
  me() {
    return { ok: true };
  }

  @Get('error/:name')
  fail(@Param('name') name: string) {
    throw ERRORS[name]!();
  }

  @Get('file')
  file() {
    return new StreamableFile(Readable.from([Buffer.from('one'), Buffer.from('two')]));
  }

  @Sse('stream')
  stream() {
    return of({ data: 'one' });
  }

  @Get('raw')
  raw(@Res() response: AnyResponse) {
    response.hijack?.();
    const target = response.raw ?? response;
    target.writeHead(200, 'Fine', { 'Access-Control-Expose-Headers': 'X-Raw', 'X-Raw': '1' });
    target.end('{"ok":true}');
  }
}

const EmptyController = controllerOf(
  '',
  {
    twice: [UseGuards(SecondGuard)],
    exposing: [Header('Access-Control-Expose-Headers', 'X-Total')],
    late: [UseInterceptors(LateInterceptor)],
    cached: [Header('Cache-Control', 'public, max-age=600')],
    fresh: [RequireFresh('10m')],
  },
  UseGuards(AuthGuard),
);

function renewalIn({ headers }: RawAnswer) {
  return {
    token: headers['x-renewed-token'],
    expiresIn: headers['x-renewed-token-expires-in'],
    exposed: headers['access-control-expose-headers'],
    cache: headers['cache-control'],
  };
}

const none = { token: undefined, expiresIn: undefined, exposed: undefined };
const anyToken = expect.stringMatching(/^ses_at_[A-Za-z0-9_-]{96}$/) as unknown as string;
const both = 'X-Renewed-Token, X-Renewed-Token-Expires-In';
const whole = { token: anyToken, expiresIn: '7200', exposed: both, cache: 'no-store' };

describe.each(adapters)('a renewed token on $name', (kind) => {
  let clock: ManualClock;
  let server: HttpApp;

  const start = (options: Partial<SessionModuleOptions> = {}, configure?: (app: HttpApp['app']) => unknown) => {
    clock = new ManualClock(Date.UTC(2026, 0, 15, 12));
    const session = SessionModule.forRoot(sessionOptions({ clock, tokens, ...options }));
    return startApp(kind, { imports: [session], controllers: [RoutesController, EmptyController] }, { configure });
  };

  const nearItsEnd = async () => {
    const { accessToken } = await server.tokens.login('alice');
    clock.advance(118 * MINUTE);
    return accessToken;
  };

  describe('with the default options', () => {
    beforeAll(async () => (server = await start()));

    afterAll(() => server.close());

    it('A85: comes with the answer near the end of the old one, and not before', async () => {
      const { accessToken } = await server.tokens.login('alice');
      expect(renewalIn(await server.sendWith(accessToken))).toMatchObject(none);
      clock.advance(115 * MINUTE);
      expect(renewalIn(await server.sendWith(accessToken))).toMatchObject(none);
      clock.advance(1);
      const answer = await server.sendWith(accessToken);
      expect(answer).toMatchObject({ status: 200, json: { ok: true } });
      expect(renewalIn(answer)).toEqual(whole);

      const { token } = renewalIn(answer);
      expect(token).not.toBe(accessToken);
      expect(renewalIn(await server.sendWith(accessToken)).token).toBe(token);
      const next = await server.sendWith(token!);
      expect(next.status).toBe(200);
      expect(renewalIn(next)).toMatchObject(none);
    });

    it('comes once, however many guards a route has', async () => {
      const answer = await server.sendWith(await nearItsEnd(), { path: '/twice' });
      expect(renewalIn(answer)).toEqual(whole);
    });

    it.each(['/exposing', '/late'])('adds to what the application exposes itself: %s', async (path) => {
      const answer = await server.sendWith(await nearItsEnd(), { path });
      const own = path === '/late' ? 'X-Late' : 'X-Total';
      expect(renewalIn(answer)).toMatchObject({ token: anyToken, exposed: `${own}, ${both}` });
    });

    it('A39: is kept by no cache, whatever the application says of its answer', async () => {
      const token = await nearItsEnd();
      expect(renewalIn(await server.sendWith(token, { path: '/cached' }))).toMatchObject({
        token: anyToken,
        cache: 'no-store',
      });
      const { accessToken } = await server.tokens.login('alice');
      expect(renewalIn(await server.sendWith(accessToken, { path: '/cached' })).cache).toBe('public, max-age=600');
    });

    it.each([
      ['/error/missing', 404],
      ['/error/teapot', 418],
      ['/error/broken', 500],
      ['/error/limit', 409],
      ['/fresh', 403],
    ])('comes with an error as well: %s', async (path, status) => {
      const answer = await server.sendWith(await nearItsEnd(), { path });
      expect({ status: answer.status, ...renewalIn(answer) }).toEqual({ status, ...whole });
    });

    it.each([
      ['/file', 'two'],
      ['/raw', '{"ok":true}'],
    ])('comes with what is written to the socket piece by piece: %s', async (path, text) => {
      const answer = await server.sendWith(await nearItsEnd(), { path });
      expect(answer).toMatchObject({ status: 200, text: expect.stringContaining(text) });
      expect(renewalIn(answer)).toEqual({ ...whole, exposed: path === '/raw' ? `X-Raw, ${both}` : both });
      if (path === '/raw') expect(answer.headers['x-raw']).toBe('1');
    });

    it('comes with server-sent events', async () => {
      const headers = { authorization: `Bearer ${await nearItsEnd()}` };
      const request = http.get({ port: server.port, host: '127.0.0.1', path: '/stream', headers, agent: false });
      const [response] = (await once(request, 'response')) as [http.IncomingMessage];
      const chunks: string[] = [];
      response.setEncoding('utf8').on('data', (chunk: string) => chunks.push(chunk));
      // The server keeps the connection.
      await once(response, 'end');
      request.destroy();
      expect(chunks.join('')).toContain('data: one');
      expect(response.headers).toMatchObject({
        'content-type': 'text/event-stream',
        'x-renewed-token': anyToken,
        'access-control-expose-headers': both,
        'cache-control': 'no-store',
      });
    });

    it('is given to nobody whose token is refused', async () => {
      const token = await nearItsEnd();
      await server.tokens.logout(token);
      const answer = await server.sendWith(token);
      expect(answer.status).toBe(401);
      expect(renewalIn(answer)).toMatchObject(none);
    });
  });

  describe('with CORS', () => {
    afterEach(() => server.close());

    const fromElsewhere = { lines: ['Origin: https://app.example'] };

    it.each([
      ['a list', ['X-Total', 'ETag'], /^X-Total, ?ETag, /],
      ['text', 'X-Total', /^X-Total, /],
      ['nothing', undefined, /^/],
    ])('may be read by scripts beside what they may read anyway: %s', async (_title, exposedHeaders, own) => {
      server = await start({}, (app) => app.enableCors({ origin: 'https://app.example', exposedHeaders }));
      const token = await nearItsEnd();
      for (const path of ['/me', '/error/missing']) {
        const answer = await server.sendWith(token, { ...fromElsewhere, path });
        expect(answer.headers['access-control-allow-origin']).toBe('https://app.example');
        expect(renewalIn(answer).exposed).toMatch(own);
        expect(renewalIn(answer).exposed!.replace(own, '')).toBe(both);
      }
    });

    it('A49: opens nothing by itself', async () => {
      server = await start();
      const answer = await server.sendWith(await nearItsEnd(), fromElsewhere);
      expect(answer.headers).not.toHaveProperty('access-control-allow-origin');
      expect(answer.headers).not.toHaveProperty('access-control-allow-credentials');
    });
  });

  describe('with other options', () => {
    afterEach(() => server.close());

    it('comes under the names that the application chose', async () => {
      server = await start({ headers: { renewedToken: 'X-Next', renewedTokenExpiresIn: 'X-Next-Life' } });
      const { headers } = await server.sendWith(await nearItsEnd());
      expect(headers).toMatchObject({
        'x-next': anyToken,
        'x-next-life': '7200',
        'access-control-expose-headers': 'X-Next, X-Next-Life',
      });
      expect(headers).not.toHaveProperty('x-renewed-token');
    });

    it.each([
      ['fixed', fixed({ ttl: '2h' })],
      ['accessAndRefresh', accessAndRefresh({ access: '2h' })],
    ])('comes in no other mode: %s', async (_title, mode) => {
      server = await start({ tokens: mode });
      const { accessToken } = await server.tokens.login('alice');
      clock.advance(113 * MINUTE);
      const answer = await server.sendWith(accessToken);
      expect(answer.status).toBe(200);
      expect(renewalIn(answer)).toMatchObject(none);
    });
  });
});

describe('a renewed token where there is no response', () => {
  it('lets the message pass', async () => {
    const clock = new ManualClock(Date.UTC(2026, 0, 15, 12));
    const session = SessionModule.forRoot(sessionOptions({ clock, tokens }));
    const { app, tokens: service, close } = await startApp(adapters[0]!, { imports: [session] });
    const { accessToken } = await service.login('alice');
    clock.advance(118 * MINUTE);
    const guard = guardIn(app, SocketGuard);
    for (const message of ['text', null, undefined, { raw: null }]) {
      const client = { handshake: { headers: { authorization: `Bearer ${accessToken}` } } };
      const context = new ExecutionContextHost([client, message], SocketGuard, () => undefined);
      context.setType('ws');
      await expect(guard.canActivate(context)).resolves.toBe(true);
    }
    await close();
  });
});

describe.each([
  ['HTTP/1.1', (listener: (response: ServerResponse) => void) => http.createServer((_, to) => listener(to))],
  [
    'HTTP/2',
    (listener: (response: ServerResponse) => void) =>
      http2.createServer((_, to) => listener(to as unknown as ServerResponse)),
  ],
])('the head of an answer over %s', (version, createServer) => {
  let respond: (response: ServerResponse) => void;
  let port: number;
  const server = createServer((response) => {
    response.setHeader('X-Early', 'early');
    response.setHeader('X-Other', 'other');
    beforeHead(response, (head) => head.set('x-seen', head.get('x-early').replace(', ', '+')));
    respond(response);
  });

  beforeAll(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
  });

  afterAll(() => new Promise((resolve) => server.close(resolve)));

  const headersOf = async (): Promise<OutgoingHttpHeaders> => {
    if (version === 'HTTP/1.1') {
      const request = http.get({ port, host: '127.0.0.1', agent: false });
      const [response] = (await once(request, 'response')) as [http.IncomingMessage];
      response.resume();
      await once(response, 'end');
      return { ':status': response.statusCode, ...response.headers };
    }
    const session = http2.connect(`http://127.0.0.1:${port}`);
    const stream = session.request({ ':path': '/' });
    const [headers] = (await once(stream, 'response')) as [OutgoingHttpHeaders];
    stream.resume();
    await once(stream, 'end');
    session.close();
    return headers;
  };

  const ways: readonly [string, (response: ServerResponse) => unknown, status: number, seen: string][] = [
    ['end', (to) => to.end('x'), 200, 'early'],
    ['write', (to) => (to.write('x'), to.end()), 200, 'early'],
    ['a status', (to) => to.writeHead(201).end(), 201, 'early'],
    ['a status code set before', (to) => ((to.statusCode = 404), to.end()), 404, 'early'],
    ['headers by name', (to) => to.writeHead(201, { 'x-early': 'late' }).end(), 201, 'late'],
    [
      'a message and headers',
      (to) => to.writeHead(201, 'Made', { 'X-EARLY': ['a', 'b'] as string[] }).end(),
      201,
      'a+b',
    ],
    ['no message and headers', (to) => to.writeHead(201, undefined, { 'X-Early': 'late' }).end(), 201, 'late'],
    ['a flat list', (to) => to.writeHead(201, ['X-Early', 'a', 'X-Early', 'b']).end(), 201, 'a+b'],
    ['a list of pairs', (to) => to.writeHead(201, [['X-Early', 'late']] as never).end(), 201, 'late'],
    ['a flat list with two lines', (to) => to.writeHead(201, ['X-Early', ['a', 'b'], 'X-N', 1]).end(), 201, 'a+b'],
    ['a pair with two lines', (to) => to.writeHead(201, [['X-Early', ['a', 'b']]] as never).end(), 201, 'a+b'],
  ];

  it.each(ways)('is seen with all that was set by then: %s', async (_title, way, status, seen) => {
    respond = way;
    expect(await headersOf()).toMatchObject({ ':status': status, 'x-other': 'other', 'x-seen': seen });
  });
});
