import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { format } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  type ArgumentsHost,
  Body,
  Catch,
  ConsoleLogger,
  Controller,
  Delete,
  type ExceptionFilter,
  Get,
  HttpException,
  type INestApplication,
  Param,
  Post,
  Res,
  UseGuards,
} from '@nestjs/common';
import { APP_FILTER, BaseExceptionFilter, HttpAdapterHost } from '@nestjs/core';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import {
  AuthGuard,
  CurrentUser,
  ChangePendingError,
  SessionError,
  SessionErrorFilter,
  type SessionErrorCode,
  SessionModule,
  type SessionModuleOptions,
  SessionService,
  TokenService,
  fixed,
  multiDevice,
} from 'nestjs-latchkey';
import { ManualClock } from 'nestjs-latchkey/testing';
import { type Observable, lastValueFrom } from 'rxjs';
import { UnacknowledgedError, defaultMessages } from 'lib/session-error.js';
import { SessionAuthenticator } from 'lib/session-authenticator.js';
import { SessionRuntime } from 'lib/session-runtime.js';
import { type TestDatabase, kindsOf } from '../support/databases.js';
import { TokenMint } from '../support/mint.js';
import { SECRET, type Services } from '../support/sessions.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';
import {
  type HttpApp,
  type RawAnswer,
  adapters,
  answersOf,
  json,
  sessionOptions,
  startApp,
  useApp,
  verdict,
} from './http-app.js';

const { good, missing, unknown } = answersOf('users');
const MINUTE = 60_000;

let thrown: () => unknown;

@Controller()
class SessionsController {
  constructor(
    private readonly tokens: TokenService,
    private readonly sessions: SessionService,
  ) {}

  @Get('me')
  @UseGuards(AuthGuard)
  me(@CurrentUser('userId') userId: string) {
    return { userId };
  }

  @Post('login')
  async login(@Body() body: { userId: string }) {
    return { token: (await this.tokens.login(body.userId)).accessToken };
  }

  @Delete('sessions/:id')
  @UseGuards(AuthGuard)
  async end(@CurrentUser('userId') userId: string, @Param('id') id: string) {
    if (!(await this.sessions.end(userId, id))) throw new SessionError('SESSION_NOT_FOUND');
    return { ended: id };
  }

  @Get('throw')
  throw() {
    throw thrown();
  }

  @Get('late')
  late(@Res() response: { raw?: Socket; hijack?(): void; write?(text: string): void }) {
    response.hijack?.();
    (response.raw ?? (response as Socket)).write('half of it');
    throw thrown();
  }
}

const root = (options: Partial<SessionModuleOptions> = {}) => ({
  imports: [SessionModule.forRoot(sessionOptions(options))],
  controllers: [SessionsController],
});

const login = (userId: unknown) => json('/login', { userId });

/** An answer without what differs from time to time. */
function lasting({ status, headers, text }: RawAnswer) {
  return { status, headers: { ...headers, date: '' }, text };
}

function challengeFor(code: SessionErrorCode, error = 'invalid_token'): string {
  return `Bearer realm="users", error="${error}", error_description="${defaultMessages[code]}"`;
}

afterEach(() => void jest.restoreAllMocks());

describe.each(adapters)('the reason for a refusal on $name', (kind) => {
  let server: HttpApp;
  let clock: ManualClock;

  beforeEach(async () => {
    clock = new ManualClock(Date.now());
    const tokens = fixed({ ttl: '30m', maxAge: '1h' });
    server = await startApp(kind, root({ clock, tokens, timing: { endReasonTtl: '10m' } }));
  });

  afterEach(() => server.close());

  const ends: readonly [
    SessionErrorCode,
    (services: Services, token: string, id: string) => Promise<unknown>,
    object,
  ][] = [
    ['SESSION_LOGGED_OUT', ({ tokens }, token) => tokens.logout(token), {}],
    [
      'SESSION_KICKED',
      ({ operators }, _token, id) => operators.kick(id, { by: 'admin' }),
      { endedAt: expect.any(String) },
    ],
    ['SESSION_REVOKED', ({ tokens }) => tokens.revokeSessions('alice'), { endedAt: expect.any(String) }],
    [
      'SESSION_REPLACED',
      ({ tokens }) => tokens.login('alice', { deviceType: 'Phone', deviceName: '电话 "1"' }),
      {
        endedAt: expect.any(String),
        replacedBy: { deviceType: 'phone', deviceName: '电话 "1"', at: expect.any(String) },
      },
    ],
  ];

  it.each(ends)('A33, A35, A38: %s is told to the holder of the token, for a time', async (code, end, details) => {
    const { tokens, sendWith } = server;
    const { accessToken, session } = await tokens.login('alice');
    const endedAt = clock.now();
    await end(server, accessToken, session.id);

    const told = await sendWith(accessToken);
    expect(verdict(told)).toEqual({ status: 401, errorCode: code, challenge: challengeFor(code) });
    const message = defaultMessages[code];
    expect(told.json).toEqual({ statusCode: 401, error: 'Unauthorized', message, errorCode: code, ...details });
    if ('endedAt' in details) expect(Date.parse(told.json.endedAt as string)).toBe(endedAt);

    // Anybody else hears what the holder of a random token hears: a twin with a right MAC, and whoever knows the id.
    const random = lasting(await sendWith(`ses_at_${'A'.repeat(96)}`));
    const twin = new TokenMint(SECRET).mint('at', session.id, 1).token;
    expect(verdict(await sendWith(twin))).toEqual(unknown);
    expect(lasting(await sendWith(twin))).toEqual(random);
    expect(lasting(await sendWith(session.id))).toEqual(random);

    clock.advance(10 * MINUTE - 1);
    expect(verdict(await sendWith(accessToken)).errorCode).toBe(code);
    clock.advance(1);
    expect(lasting(await sendWith(accessToken))).toEqual(random);
  });

  it('A33, A60: a token that ran out is told so, before and after the sweep', async () => {
    const { tokens, sendWith, app } = server;
    const { accessToken, expiresIn } = await tokens.login('alice');
    clock.advance(expiresIn * 1000 - 1);
    expect(verdict(await sendWith(accessToken))).toEqual(good);
    clock.advance(1);
    const expired = { status: 401, errorCode: 'TOKEN_EXPIRED', challenge: challengeFor('TOKEN_EXPIRED') };
    expect(verdict(await sendWith(accessToken))).toEqual(expired);
    await app.get(SessionRuntime, { strict: false }).sweep();
    expect(verdict(await sendWith(accessToken))).toEqual(expired);
    clock.advance(10 * MINUTE);
    expect(verdict(await sendWith(accessToken))).toEqual(unknown);
  });

  it('A104: SessionModule opens no route', async () => {
    const { accessToken } = await server.tokens.login('alice');
    for (const path of ['/', '/admin', '/admin/online-users', '/sessions', '/auth/login']) {
      expect((await server.sendWith(accessToken, { path })).status).toBe(404);
    }
  });
});

const END_REASONS = [
  ...(['SESSION_EXPIRED', 'SESSION_LOGGED_OUT', 'SESSION_REPLACED', 'SESSION_KICKED'] as const),
  ...(['SESSION_REVOKED', 'SESSION_IDLE', 'ACCOUNT_DISABLED'] as const),
];

const statuses: readonly (readonly [SessionErrorCode, number, string | undefined])[] = [
  ['SESSION_LIMIT_REACHED', 409, undefined],
  ['TOO_MANY_SESSIONS', 409, undefined],
  ['LOGIN_CHOICE_INVALID', 401, missing.challenge],
  ['SESSION_STORE_UNAVAILABLE', 503, undefined],
  ['SESSION_NOT_FOUND', 404, undefined],
  ['FORBIDDEN', 403, challengeFor('FORBIDDEN', 'insufficient_scope')],
  ['CROSS_SITE_REQUEST', 403, undefined],
  ['ARGUMENT_INVALID', 400, undefined],
  ['CURSOR_INVALID', 400, undefined],
  ['CONFIGURATION_INVALID', 500, undefined],
  ['INSIDE_TRANSACTION', 500, undefined],
  ['TOKEN_MISSING', 401, missing.challenge],
  ['BAD_CREDENTIALS', 401, missing.challenge],
  ['TOKEN_MALFORMED', 400, answersOf('users').malformed.challenge],
  ['TOKEN_INVALID', 401, unknown.challenge],
  ...(['TOKEN_EXPIRED', 'REFRESH_REUSED', ...END_REASONS] as const).map(
    (code) => [code, 401, challengeFor(code)] as const,
  ),
  ['SERVICE_BANNED', 403, challengeFor('SERVICE_BANNED', 'insufficient_scope')],
  ['FRESH_LOGIN_REQUIRED', 403, challengeFor('FRESH_LOGIN_REQUIRED', 'insufficient_user_authentication')],
  ['TOO_MANY_REFRESHES', 429, undefined],
  ['CHANGE_PENDING', 202, undefined],
];

describe.each(adapters)('a SessionError thrown by a controller on $name', (kind) => {
  const server = useApp(() => startApp(kind, root({ policy: multiDevice({ max: 1, overflow: 'reject' }) })));

  it('A33, A35: every code has its answer', () => {
    expect(statuses.map(([code]) => code).sort()).toEqual(Object.keys(defaultMessages).sort());
  });

  it.each(statuses)('A33, A35, A36: %s is answered with %i', async (code, status, challenge) => {
    thrown = () => new SessionError(code);
    const answer = await server.send({ path: '/throw' });
    expect(verdict(answer)).toEqual({ status, errorCode: code, challenge });
    expect(answer.json).toMatchObject({ statusCode: status, message: defaultMessages[code] });
    expect(answer.headers['retry-after']).toEqual(
      [429, 503].includes(status) ? expect.stringMatching(/^[123]$/) : undefined,
    );
  });

  it.each([
    [12_345, '13'],
    [-1, '1'],
  ])('tells when a login can be repeated that others have yet to confirm: in %d ms', async (ms, seconds) => {
    const now = Date.UTC(2030, 0, 2);
    thrown = () => new UnacknowledgedError(new ChangePendingError(now + ms), now);
    const { status, json, headers } = await server.send({ path: '/throw' });
    expect([status, json.errorCode, headers['retry-after']]).toEqual([503, 'SESSION_STORE_UNAVAILABLE', seconds]);
  });

  it('tells by when a pending end takes effect', async () => {
    const effectiveBy = Date.UTC(2030, 0, 2, 3, 4, 5, 678);
    thrown = () => new ChangePendingError(effectiveBy);
    const { status, json } = await server.send({ path: '/throw' });
    expect([status, json.errorCode, json.effectiveBy]).toEqual([202, 'CHANGE_PENDING', '2030-01-02T03:04:05.678Z']);
  });

  it('A40: tells what is wrong with an argument, and nothing of the cause of anything else', async () => {
    expect((await server.send(login(''))).json).toMatchObject({
      statusCode: 400,
      message: 'userId must not be empty.',
    });
    expect((await server.send(login({ $ne: null }))).json).toMatchObject({ errorCode: 'ARGUMENT_INVALID' });
    const cause = new Error('SELECT access_hash FROM latchkey_session at lib/database/engine/engine.ts:1:1');
    thrown = () => new SessionError('SESSION_STORE_UNAVAILABLE', 'SELECT access_hash', { cause });
    const { text } = await server.send({ path: '/throw' });
    expect(text).not.toMatch(/SELECT|access_hash|engine/);
  });

  it('leaves other errors to Nest', async () => {
    thrown = () => new HttpException('a teapot', 418);
    expect(await server.send({ path: '/throw' })).toMatchObject({ status: 418, json: { message: 'a teapot' } });
    thrown = () => new TypeError('SELECT');
    expect((await server.send({ path: '/throw' })).json).toEqual({ statusCode: 500, message: 'Internal server error' });
  });

  it('ends an answer that had begun', async () => {
    thrown = () => new SessionError('SESSION_STORE_UNAVAILABLE');
    const answer = await server.send({ path: '/late' });
    expect(answer.status).toBe(200);
    expect(answer.text).toBe('a\r\nhalf of it\r\n0\r\n\r\n');
    expect((await server.send({ path: '/throw' })).status).toBe(503);
  });

  it('A31: reaches the caller of a microservice, whom an error thrown by the filter would leave waiting', async () => {
    const filter = new SessionErrorFilter(server.app.get(SessionAuthenticator, { strict: false }));
    const host = new ExecutionContextHost([{}, {}]);
    host.setType('rpc');
    const answer = filter.catch(new ChangePendingError(0), host) as Observable<never>;
    await expect(lastValueFrom(answer)).rejects.toEqual({
      status: 'error',
      message: defaultMessages.CHANGE_PENDING,
      errorCode: 'CHANGE_PENDING',
      effectiveBy: '1970-01-01T00:00:00.000Z',
    });
    host.setType('ws');
    expect(() => filter.catch(new SessionError('FORBIDDEN'), host)).toThrow(SessionError);
  });
});

@Catch()
class CatchAllFilter extends BaseExceptionFilter {
  readonly caught: unknown[] = [];

  override catch(error: unknown, host: ArgumentsHost): void {
    this.caught.push(error);
    super.catch(error, host);
  }
}

@Catch()
class JsonFilter implements ExceptionFilter {
  constructor(private readonly adapterHost: HttpAdapterHost) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const status = error instanceof HttpException ? error.getStatus() : 599;
    const errorCode = error instanceof HttpException ? error.errorCode : undefined;
    this.adapterHost.httpAdapter.reply(host.switchToHttp().getResponse(), { own: true, errorCode }, status);
  }
}

describe.each(adapters)("an application's own catch-all filter on $name", (kind) => {
  const ways: readonly [string, object[], (app: INestApplication) => unknown][] = [
    ['as APP_FILTER', [{ provide: APP_FILTER, useClass: JsonFilter }], () => undefined],
    ['by useGlobalFilters', [], (app) => app.useGlobalFilters(new JsonFilter(app.get(HttpAdapterHost)))],
  ];

  it.each(ways)(
    'A33: sees the refusals of the guard with their status and headers: %s',
    async (_title, providers, configure) => {
      const server = await startApp(kind, { ...root(), providers: providers as never[] }, { configure });
      const answer = await server.send();
      expect(verdict(answer)).toEqual(missing);
      expect(answer.json.own).toBe(true);
      thrown = () => new TypeError('of the application');
      expect((await server.send({ path: '/throw' })).status).toBe(599);
      await server.close();
    },
  );

  it('as APP_FILTER, leaves the errors of sessions to SessionErrorFilter', async () => {
    const server = await startApp(kind, { ...root(), providers: [{ provide: APP_FILTER, useClass: CatchAllFilter }] });
    thrown = () => new SessionError('SESSION_NOT_FOUND');
    expect(verdict(await server.send({ path: '/throw' })).status).toBe(404);
    thrown = () => new HttpException('a teapot', 418);
    expect((await server.send({ path: '/throw' })).status).toBe(418);
    await server.close();
  });
});

/** Texts that would break out of a header or a quoted-string. */
const hostile = [
  'say "please", error="none"',
  'one\r\nSet-Cookie: sid=evil\r\n\r\n<html>',
  '请先登录 — é 💻',
  '\\", realm="evil',
  'a\0b\x7fc\td',
  '',
];

describe.each(adapters)('texts of an application on $name', (kind) => {
  it.each(hostile)('A37, M13: make a safe challenge: %j', async (text) => {
    const codes = Object.keys(defaultMessages) as SessionErrorCode[];
    const messages = Object.fromEntries(codes.map((code) => [code, text]));
    const server = await startApp(kind, root({ messages }));
    const { accessToken } = await server.tokens.login('alice');
    await server.tokens.logout(accessToken);
    const answers = [
      await server.send({ lines: ['Authorization: Bearer'] }),
      await server.sendWith('nonsense'),
      await server.sendWith(accessToken),
    ];
    thrown = () => new SessionError('FORBIDDEN');
    answers.push(await server.send({ path: '/throw' }));
    expect(answers.map(({ status }) => status)).toEqual([400, 401, 401, 403]);
    for (const { headers, json } of answers) {
      const form = /^Bearer realm="users", error="[a-z_]+", error_description="([\x20\x21\x23-\x5b\x5d-\x7e]*)"$/;
      expect(headers['www-authenticate']).toMatch(form);
      expect(headers).not.toHaveProperty('set-cookie');
      expect(json.message).toBe(text);
    }
    await server.close();
  });
});

describe.each(adapters)('a database that cannot be reached, on $name', (kind) => {
  let database: TestDatabase;
  let proxy: TcpProxy;
  let server: HttpApp;
  let token: string;

  beforeAll(async () => {
    database = await kindsOf('postgres')[0]!.create();
    const url = new URL(database.url);
    proxy = await TcpProxy.start(Number(url.port));
    url.host = `127.0.0.1:${proxy.port}`;
    server = await startApp(
      kind,
      root({
        database: { type: 'postgres', url: url.href },
        timing: {
          verifyBudget: '250ms',
          loginBudget: '400ms',
          endBudget: '400ms',
          poll: '100ms',
          pollFreshness: '200ms',
        },
      }),
    );
    await until(async () => {
      const login = await server.tokens.login('alice').catch(() => null);
      token = login?.accessToken ?? '';
      return login !== null;
    });
  });

  afterAll(async () => {
    await server.close();
    await proxy.close();
    await database.drop();
  });

  const unavailable = { status: 503, errorCode: 'SESSION_STORE_UNAVAILABLE', challenge: undefined };

  async function expectUnavailable() {
    const ending = { method: 'DELETE', path: '/sessions/0123456789abcdef0123456789abcdef' };
    const answers = [
      await server.sendWith(token),
      await server.send(login('bob')),
      await server.sendWith(token, ending),
    ];
    for (const answer of answers) {
      expect(verdict(answer)).toEqual(unavailable);
      expect(answer.headers['retry-after']).toMatch(/^[1-9]\d*$/);
      expect(answer.json.message).toBe(defaultMessages.SESSION_STORE_UNAVAILABLE);
      // A40
      expect(answer.text).not.toMatch(/select|latchkey_|postgres|127\.0\.0|econn|timeout|node_modules|\.[jt]s:/i);
    }
    // What needs no database is answered as ever.
    expect(verdict(await server.send())).toEqual(missing);
    expect(verdict(await server.sendWith(`${token.slice(0, -1)}!`)).status).toBe(400);
    expect(verdict(await server.sendWith(`ses_at_${'A'.repeat(96)}`))).toEqual(unknown);
  }

  /** The budgets are short for a busy machine. */
  const isGood = async () => verdict(await server.sendWith(token)).status === good.status;

  it('A36, A40: when it hangs, is a 503 with Retry-After, and the token is good afterwards', async () => {
    await until(isGood);
    proxy.hold();
    await expectUnavailable();
    proxy.refuse(true);
    proxy.cut();
    await expectUnavailable();
    proxy.refuse(false);
    proxy.release();
    await until(isGood);
  });
});

describe.each(adapters)('what is written and answered on $name', (kind) => {
  it('A11, A113: holds no token and no hash of one, with all logging on', async () => {
    const written: string[] = [];
    const note = (...parts: unknown[]) => {
      written.push(format(...parts));
      return true;
    };
    jest.spyOn(process.stdout, 'write').mockImplementation(note);
    jest.spyOn(process.stderr, 'write').mockImplementation(note);
    for (const method of ['log', 'error', 'warn', 'info', 'debug', 'trace'] as const) {
      jest.spyOn(console, method).mockImplementation(note);
    }
    const server = await startApp(kind, root(), {
      logger: new ConsoleLogger({ logLevels: ['fatal', 'error', 'warn', 'log', 'debug', 'verbose'] }),
    });
    const { tokens, operators, app } = server;
    const minted: string[] = [];
    const answers: RawAnswer[] = [];
    for (const end of [
      (token: string) => tokens.logout(token),
      () => operators.kickUser('alice', { by: 'admin' }),
      () => tokens.revokeSessions('alice'),
      () => tokens.login('alice').then(({ accessToken }) => minted.push(accessToken)),
    ]) {
      const { accessToken } = await tokens.login('alice');
      minted.push(accessToken);
      answers.push(await server.sendWith(accessToken));
      await end(accessToken);
      answers.push(await server.sendWith(accessToken), await server.sendWith(`${accessToken}x`));
      answers.push(await server.send({ lines: [`Authorization: Bearer ${accessToken} x`] }));
      answers.push(await server.send({ lines: [`Authorization: Basic ${accessToken}`], path: `/me?t=${accessToken}` }));
    }
    await expect(tokens.login('alice', { presentedToken: minted[0]!, deviceType: '?' })).rejects.toThrow();
    thrown = () => new TypeError('of the application');
    answers.push(await server.sendWith(minted.at(-1)!, { path: '/throw' }));

    // The store fails for real, under requests and under the work in the background.
    const runtime = app.get(SessionRuntime, { strict: false });
    await runtime.coherence.stop();
    await (runtime as unknown as { database: { engine: { close(): Promise<void> } } }).database.engine.close();
    answers.push(await server.sendWith(minted.at(-1)!));
    expect(answers.at(-1)!.status).toBe(503);
    await runtime.activity.flush();
    await app.close().catch((error: unknown) => note(error));
    jest.restoreAllMocks();

    const text = written.join('\n');
    expect(text).toMatch(/Mapped \{\/me/);
    expect(text).toMatch(/of the application/);
    const bodies = answers.map((answer) => JSON.stringify([answer.headers, answer.text])).join('\n');
    for (const token of minted) {
      const hash = createHash('sha256').update(token).digest();
      for (const secret of [token, token.slice(7), token.slice(-27), hash.toString('hex'), hash.toString('base64')]) {
        expect(text.includes(secret)).toBe(false);
        expect(bodies.replace(/Cannot [A-Z]+ \S+/g, '').includes(secret)).toBe(false);
      }
    }
  });
});
