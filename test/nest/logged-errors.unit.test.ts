import type { ServerResponse } from 'node:http';
import { type Observable, lastValueFrom } from 'rxjs';
import { afterAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Body, Controller, Get, type LoggerService, Post, Res } from '@nestjs/common';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import {
  ChangePendingError,
  OperatorService,
  SessionError,
  SessionErrorFilter,
  SessionModule,
  TokenService,
} from 'nestjs-latchkey';
import { SessionAdminModule } from 'nestjs-latchkey/admin';
import { invalidOption } from 'lib/session-error.js';
import { SessionAuthenticator } from 'lib/session-authenticator.js';
import { type HttpApp, adapters, json, sessionOptions, startApp, verdict } from './http-app.js';

let lines: string[] = [];
const keep = (message: string) => void lines.push(message);
const logger: LoggerService = { log: () => undefined, warn: keep, error: keep, fatal: keep };

let thrown: Error;

@Controller()
class MistakenController {
  constructor(
    private readonly tokens: TokenService,
    private readonly operators: OperatorService,
  ) {}

  @Post('login')
  logIn(@Body() { name }: { name?: string }) {
    return this.tokens.login(name!, { claims: {} });
  }

  @Post('kick')
  async kick() {
    await this.operators.kickUser('alice', {} as never);
  }

  @Get('throw')
  fail() {
    throw thrown;
  }

  @Get('throw-late')
  failLate(@Res() response: ServerResponse & { readonly raw?: ServerResponse }) {
    (response.raw ?? response).writeHead(200).write('begun');
    throw thrown;
  }
}

describe.each(adapters)('an error that is answered, on $name', (kind) => {
  let server: HttpApp;
  let beforeLogin: () => unknown = () => undefined;

  const start = async () => {
    const hooks = { beforeLogin: () => beforeLogin() as void };
    const session = sessionOptions({ hooks, timing: { loginBudget: '500ms' } });
    const imports = [
      SessionModule.forRoot({ isGlobal: true, ...session }),
      SessionAdminModule.forRoot({ authorize: () => true }),
    ];
    server = await startApp(kind, { imports, controllers: [MistakenController] }, { logger });
    lines = [];
  };

  // Anew for each, since what was logged just before is not logged again.
  beforeEach(async () => {
    await server?.close();
    await start();
  });

  afterAll(() => server.close());

  const post = (path: string, body = {}) => server.send(json(path, body));
  const fail = async (error: Error) => {
    thrown = error;
    return verdict(await server.send({ path: '/throw' }));
  };

  it('ends an answer under way, and logs that error and no other', async () => {
    thrown = new SessionError('SESSION_STORE_UNAVAILABLE');
    const { status, text } = await server.send({ path: '/throw-late' });
    expect([status, text]).toEqual([200, expect.stringContaining('begun')]);
    expect(lines).toEqual([expect.stringContaining('Requests are answered with 503')]);
  });

  it('names the place in the application where an invalid argument came from, once for a while', async () => {
    for (let time = 0; time < 3; time++) expect(await post('/login')).toMatchObject({ status: 400 });
    expect(lines).toEqual([expect.stringContaining('userId must be a string or an integer.')]);
    expect(lines[0]).toMatch(/at .*logged-errors\.unit\.test\.ts:\d+/);
    await post('/kick');
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatch(/by must name[^]*at .*logged-errors\.unit\.test\.ts:\d+/);
  });

  it('is not logged where an application answers its client by such an error, or a route of ours does', async () => {
    expect(await fail(new SessionError('ARGUMENT_INVALID', 'name must be given.'))).toMatchObject({ status: 400 });
    const { accessToken } = await server.tokens.login('root');
    for (const path of ['/admin/online-users?cursor=nonsense', '/admin/online-users?limit=x', '/admin/events?from=x']) {
      const { status, errorCode } = verdict(await server.sendWith(accessToken, { path }));
      expect({ path, status, errorCode }).toEqual({
        path,
        status: 400,
        errorCode: expect.stringMatching(/INVALID$/),
      });
    }
    await server.sendWith('nonsense', { path: '/admin/operator' });
    expect(lines).toEqual([]);
  });

  it('says why a call was answered with 503', async () => {
    const cause = new Error('connect ECONNREFUSED');
    for (let time = 0; time < 3; time++) {
      expect(await fail(new SessionError('SESSION_STORE_UNAVAILABLE', undefined, { cause }))).toMatchObject({
        status: 503,
      });
    }
    expect(lines).toEqual(['Requests are answered with 503: connect ECONNREFUSED']);
  });

  it('says that a hook was too slow, and not that the database was', async () => {
    beforeLogin = () => new Promise(() => undefined);
    expect(await post('/login', { name: 'bob' })).toMatchObject({ status: 503 });
    expect(lines).toEqual(['Requests are answered with 503: hooks.beforeLogin did not answer within 500 ms']);
    beforeLogin = () => undefined;
  });

  it('names an option that is wrong only when it is used', async () => {
    expect(await fail(invalidOption('policy', 'must be a policy'))).toMatchObject({ status: 500 });
    expect(lines).toEqual([expect.stringMatching(/500: SessionModule option "policy" must be a policy\.\n +at /)]);
  });

  it('tells of an end that a node has not acknowledged', async () => {
    expect(await fail(new ChangePendingError(0))).toMatchObject({ status: 202 });
    expect(lines).toEqual([expect.stringContaining('1970-01-01T00:00:00.000Z')]);
  });

  it('is logged for other transports too', async () => {
    const filter = new SessionErrorFilter(server.app.get(SessionAuthenticator, { strict: false }));
    const error: unknown = await server.tokens.login(undefined as never).catch((reason: unknown) => reason);
    const host = new ExecutionContextHost([{}, {}]);
    host.setType('rpc');
    await expect(lastValueFrom(filter.catch(error as SessionError, host) as Observable<never>)).rejects.toBeDefined();
    expect(lines).toEqual([expect.stringContaining('userId must be')]);
  });
});
