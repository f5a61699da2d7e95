import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Controller, type ExecutionContext, Logger, UseGuards } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import {
  type ClientOptions,
  type ClientProxy,
  ClientProxyFactory,
  EventPattern,
  KafkaContext,
  MessagePattern,
  MqttContext,
  NatsContext,
  Payload,
  RmqContext,
  ServerKafka,
  TcpContext,
  type TcpOptions,
  Transport,
  type RedisOptions,
} from '@nestjs/microservices';
import { headers as natsHeaders } from '@nats-io/transport-node';
import { AuthGuard, CurrentUser, OptionalAuth, Public, RequireFresh, SessionError, sliding } from 'nestjs-latchkey';
import { RpcAuthGuard } from 'nestjs-latchkey/microservices';
import { ManualClock } from 'nestjs-latchkey/testing';
import { firstValueFrom } from 'rxjs';
import { SessionAuthenticator } from 'lib/session-authenticator.js';
import { type Node, type NodeOptions, partsOf, useNodes } from '../../test/support/doors.js';
import { type RedisServer, startRedis } from '../../test/support/redis.js';
import { freePort } from '../../tools/servers/free-port.mjs';
import { until } from '../../test/support/until.js';
import { AccountsController, AccountsModule } from './accounts.js';

const MINUTE = 60_000;

afterEach(() => void jest.restoreAllMocks());

const refusedWith = (errorCode: string, more: object = {}) => ({
  refused: { status: 'error', message: expect.any(String), errorCode, ...more },
});

/** Answer to a message, or its refusal. */
async function ask(client: ClientProxy, pattern: string, payload: object): Promise<unknown> {
  return firstValueFrom(client.send<unknown>(pattern, payload)).catch((refused: unknown) => ({ refused }));
}

const clients: ClientProxy[] = [];
afterAll(async () => {
  for (const client of clients) await client.close();
});

type Options = TcpOptions | RedisOptions;

/** Connects a microservice to an application, and returns its client. */
async function connect(app: Node['app'], options: Options): Promise<ClientProxy> {
  app.connectMicroservice(options, { inheritAppConfig: true });
  await app.startAllMicroservices();
  const client = ClientProxyFactory.create(options as ClientOptions);
  clients.push(client);
  await client.connect();
  return client;
}

let redis: RedisServer;
beforeAll(async () => void (redis = await startRedis()));
afterAll(() => redis.stop());

describe.each([
  [
    'TCP',
    async (): Promise<Options> => ({
      transport: Transport.TCP,
      options: { host: '127.0.0.1', port: await freePort() },
    }),
  ],
  [
    'Redis',
    async (): Promise<Options> => ({ transport: Transport.REDIS, options: { host: '127.0.0.1', port: redis.port } }),
  ],
])('the example, with messages over %s', (_, optionsOf) => {
  const start = useNodes();
  const clock = new ManualClock(Date.now());
  let node: Node;
  let other: Node;
  let client: ClientProxy;
  beforeAll(async () => {
    const session: NodeOptions['session'] = { clock, tokens: sliding() };
    node = await start(partsOf(AccountsModule), { session });
    other = await start(partsOf(AccountsModule), { session });
    client = await connect(node.app, await optionsOf());
  });

  const logIn = async () =>
    (await node.tokens.login('alice', { claims: { name: 'alice' } })) as {
      accessToken: string;
      session: { id: string };
    };
  const user = { name: 'alice', userId: 'alice' };

  it('knows the user of a token, over HTTP and in messages', async () => {
    const { accessToken: token } = await logIn();
    const answer = await fetch(`${node.url}/me`, { headers: { authorization: `Bearer ${token}` } });
    expect(await answer.json()).toEqual(user);
    expect(await ask(client, 'who', { token })).toEqual(user);
    expect(await ask(client, 'public', {})).toEqual({ hello: 'everyone' });
    expect(await ask(client, 'reports', { token })).toEqual(
      refusedWith('FORBIDDEN', { missing: { roles: ['admin'] } }),
    );
  });

  it.each([
    ['no token', {}, 'TOKEN_MISSING'],
    ['an empty one', { token: '' }, 'TOKEN_MISSING'],
    ['an unknown one', { token: 'ses_at_unknown' }, 'TOKEN_INVALID'],
    ['text that is none', { token: 'two words' }, 'TOKEN_MALFORMED'],
    ['an object', { token: { toString: 'x' } }, 'TOKEN_MALFORMED'],
    ['a huge one', { token: 'x'.repeat(100_000) }, 'TOKEN_MALFORMED'],
    ['a user instead', { user: { userId: 'root' }, userId: 'root', latchkey: {} }, 'TOKEN_MISSING'],
    ['headers of its own', { headers: { authorization: 'Bearer x' } }, 'TOKEN_MISSING'],
  ])('refuses a message with %s', async (_, payload, errorCode) => {
    expect(await ask(client, 'who', payload)).toEqual(refusedWith(errorCode));
  });

  it('drops an event without a token, and says so in the log', async () => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    const { accessToken: token } = await logIn();
    const { seen } = node.app.get(AccountsController);
    client.emit('seen', { page: 'dropped' });
    client.emit('seen', { page: 'home', token });
    await until(() => seen.length > 0);
    expect(seen).toEqual(['alice home']);
    const lines = warn.mock.calls.map(([line]) => String(line)).filter((line) => line.includes('Dropped'));
    const line = 'Dropped the event ["seen"], which has no valid token: TOKEN_MISSING.';
    expect(lines).toEqual([line]);
  });

  it('refuses the token of a session that was kicked on another node, over HTTP and in messages', async () => {
    const { accessToken: token, session } = await logIn();
    expect(await ask(client, 'who', { token })).toEqual(user);
    await other.operators.kick(session.id, { by: 'root' });
    expect(await ask(client, 'who', { token })).toEqual(refusedWith('SESSION_KICKED', { endedAt: expect.any(String) }));
    const answer = await fetch(`${node.url}/me`, { headers: { authorization: `Bearer ${token}` } });
    expect([answer.status, await answer.json()]).toEqual([
      401,
      expect.objectContaining({ errorCode: 'SESSION_KICKED' }),
    ]);
  });

  it('keeps a client logged in that sends messages alone', async () => {
    let { accessToken: token } = await logIn();
    clock.advance(5 * MINUTE);
    for (let renewals = 0; renewals < 3; renewals++) {
      expect(await ask(client, 'who', { token })).toEqual(user);
      clock.advance(112 * MINUTE);
      const answers = await Promise.all([ask(client, 'who', { token }), ask(client, 'who', { token })]);
      const [{ renewed }] = answers as [{ renewed: { accessToken: string } }, unknown];
      expect(answers).toEqual(
        Array(2).fill({ ...user, renewed: { accessToken: expect.any(String), expiresIn: 7200 } }),
      );
      expect(answers[0]).toEqual(answers[1]);
      clock.advance(5 * MINUTE);
      expect(await ask(client, 'who', { token })).toEqual(refusedWith('TOKEN_EXPIRED'));
      token = renewed.accessToken;
    }
    expect(await ask(client, 'who', { token })).toEqual(user);
  });

  it('brings the same renewed token in a header over HTTP, and leaves the body', async () => {
    const { accessToken: token } = await logIn();
    clock.advance(117 * MINUTE);
    const answer = await fetch(`${node.url}/me`, { headers: { authorization: `Bearer ${token}` } });
    expect(await answer.json()).toEqual(user);
    const accessToken = answer.headers.get('x-renewed-token');
    expect(await ask(client, 'who', { token })).toEqual({ ...user, renewed: { accessToken, expiresIn: 7200 } });
  });

  it('logs no renewed token', async () => {
    const written: string[] = [];
    const write = (...given: unknown[]) => void written.push(JSON.stringify(given));
    for (const level of ['log', 'info', 'warn', 'error'] as const) jest.spyOn(console, level).mockImplementation(write);
    node.app.useLogger({ log: write, warn: write, error: write, debug: write, verbose: write });
    const { accessToken: token } = await logIn();
    clock.advance(117 * MINUTE);
    const { renewed } = (await ask(client, 'who', { token })) as { renewed: { accessToken: string } };
    new Logger('test').log('the end');
    console.log('the end');
    node.app.useLogger(false);
    expect(written.filter((line) => line.includes('the end'))).toHaveLength(2);
    expect(written.filter((line) => line.includes(renewed.accessToken))).toEqual([]);
  });
});

@Controller()
class MessagesController {
  @Public()
  @MessagePattern('throw')
  throw() {
    throw new SessionError('SESSION_NOT_FOUND');
  }

  @MessagePattern('who')
  who(@CurrentUser() user: object | null) {
    return { user };
  }
}

@UseGuards(RpcAuthGuard.from({ field: 'token' }))
@Controller()
class EventsController {
  readonly seen: unknown[] = [];

  @EventPattern('seen')
  onSeen(@Payload('page') page: unknown) {
    this.seen.push(page);
  }
}

@UseGuards(RpcAuthGuard.from({ field: 'token' }))
@Controller()
class OptionalController {
  @OptionalAuth()
  @MessagePattern('optional')
  optional(@CurrentUser() user: object | null) {
    return { user };
  }

  @RequireFresh('10m', { amr: ['mfa'] })
  @UseGuards(RpcAuthGuard.from({ field: 'token' }))
  @MessagePattern('proved')
  proved() {
    return true;
  }

  @OptionalAuth({ ignoreInvalid: true })
  @MessagePattern('lenient')
  lenient(@CurrentUser() user: object | null) {
    return { user };
  }
}

@Controller()
class StaffController {
  @UseGuards(RpcAuthGuard.from({ field: 'token', realm: 'staff' }))
  @MessagePattern('staff')
  staff(@CurrentUser() user: object) {
    return user;
  }
}

describe('a hybrid application', () => {
  const start = useNodes();
  const tcp = async (): Promise<Options> => ({
    transport: Transport.TCP,
    options: { host: '127.0.0.1', port: await freePort() },
  });

  it('tells which guard it needs for messages, and keeps the code of what handlers throw', async () => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    const guard = { provide: APP_GUARD, useClass: AuthGuard };
    const { app } = await start({ controllers: [MessagesController], providers: [guard] });
    const client = await connect(app, await tcp());
    expect(await ask(client, 'who', {})).toEqual(refusedWith('CONFIGURATION_INVALID'));
    expect(String(warn.mock.calls.at(-1)![0])).toContain('use RpcAuthGuard of nestjs-latchkey/microservices');
    expect(await ask(client, 'throw', {})).toEqual(refusedWith('SESSION_NOT_FOUND'));
  });

  it('admits messages without a token to handlers with @OptionalAuth()', async () => {
    const { app, tokens } = await start({ controllers: [OptionalController] }, { session: { realm: 'optional' } });
    const client = await connect(app, await tcp());
    const { accessToken: token } = await tokens.login('alice');
    expect(await ask(client, 'optional', {})).toEqual({ user: null });
    expect(await ask(client, 'optional', { token })).toEqual({ user: { userId: 'alice' } });
    expect(await ask(client, 'optional', { token: 'ses_at_unknown' })).toEqual(refusedWith('TOKEN_INVALID'));
    expect(await ask(client, 'lenient', { token: 'ses_at_unknown' })).toEqual({ user: null });
  });

  it('asks for methods of authentication', async () => {
    const session = { realm: 'proved', stepUp: { status: 401 } } as const;
    const { app, tokens, sessions } = await start({ controllers: [OptionalController] }, { session });
    const client = await connect(app, await tcp());
    const login = await tokens.login('alice', { amr: ['pwd'] });
    const refused = refusedWith('FRESH_LOGIN_REQUIRED', { maxAge: 600, amr: ['mfa'] });
    expect(await ask(client, 'proved', { token: login.accessToken })).toEqual(refused);
    await sessions.reauthenticate(login.session.id, { amr: ['mfa'] });
    expect(await ask(client, 'proved', { token: login.accessToken })).toBe(true);
  });

  it('never makes a broker repeat an event that it drops', async () => {
    jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    const { app, tokens } = await start({ controllers: [EventsController] }, { session: { realm: 'events' } });
    // A broker's client repeats what handleEvent throws. The server is real; only its connection is missing.
    class Unconnected extends ServerKafka {
      override listen(done: () => void) {
        done();
        return Promise.resolve();
      }

      override close() {
        return Promise.resolve();
      }
    }
    const server = new Unconnected({});
    app.connectMicroservice({ strategy: server }, { inheritAppConfig: true });
    await app.startAllMicroservices();
    const send = (data: object) =>
      server.handleEvent('seen', { pattern: 'seen', data }, new KafkaContext([{ headers: {} }] as never));
    await send({ page: 'dropped' });
    await send({ page: 'home', token: (await tokens.login('alice')).accessToken });
    expect(app.get(EventsController).seen).toEqual(['home']);
    const authenticator = app.get(SessionAuthenticator, { strict: false });
    const unavailable = authenticator.answers.to('SESSION_STORE_UNAVAILABLE');
    jest.spyOn(authenticator, 'authenticateOnce').mockReturnValueOnce(unavailable);
    await expect(send({ token: 'ses_at_unknown' })).rejects.toMatchObject({ errorCode: 'SESSION_STORE_UNAVAILABLE' });
  });

  it('has a guard for each realm', async () => {
    const { app, tokens } = await start({ controllers: [StaffController] }, { session: { realm: 'staff' } });
    const client = await connect(app, await tcp());
    const { accessToken: token } = await tokens.login('root');
    expect(await ask(client, 'staff', { token })).toEqual({ userId: 'root' });
    expect(await ask(client, 'staff', {})).toEqual(refusedWith('TOKEN_MISSING'));
  });
});

describe('RpcAuthGuard', () => {
  const start = useNodes();
  let node: Node;
  let token: string;
  beforeAll(async () => {
    node = await start({});
    token = (await node.tokens.login('alice')).accessToken;
  });

  const guardOf = (type: typeof RpcAuthGuard): RpcAuthGuard =>
    Object.assign(new type() as object, {
      authenticator: node.app.get(SessionAuthenticator, { strict: false }),
    }) as unknown as RpcAuthGuard;
  const contextOf = (data: unknown, context: unknown): ExecutionContext => {
    const host = new ExecutionContextHost([data, context], MessagesController, () => undefined);
    host.setType('rpc');
    return host;
  };
  const nats = (...values: string[]) => {
    const made = natsHeaders();
    for (const value of values) made.append('Authorization', value);
    return new NatsContext(['who', made]);
  };
  const kafka = (authorization: unknown) =>
    new KafkaContext([{ headers: { authorization } }, 0, 'who'] as unknown as ConstructorParameters<
      typeof KafkaContext
    >[0]);
  const rmq = (headers: object | undefined) =>
    new RmqContext([{ properties: { headers } }, {}, 'who'] as unknown as ConstructorParameters<typeof RmqContext>[0]);
  const mqtt = (userProperties: object) => new MqttContext(['who', { properties: { userProperties } }] as never);
  const grpc = (...values: unknown[]) => ({ get: () => values });

  it.each([
    ['NATS', (value: string) => nats(value)],
    ['Kafka', (value: string) => kafka(Buffer.from(value))],
    ['RabbitMQ', (value: string) => rmq({ Authorization: value })],
    ['MQTT', (value: string) => mqtt({ authorization: value })],
    ['gRPC', (value: string) => grpc(value)],
    ['TCP with metadata', (value: string) => new TcpContext([{}, 'who', { authorization: value }] as never)],
  ])('reads the headers of %s', async (_, context) => {
    const guard = guardOf(RpcAuthGuard);
    expect(await guard.canActivate(contextOf({}, context(`Bearer ${token}`)))).toBe(true);
    await expect(guard.canActivate(contextOf({}, context('Bearer ses_at_unknown')))).rejects.toMatchObject({
      error: { status: 'error', errorCode: 'TOKEN_INVALID', message: expect.any(String) },
    });
  });

  it.each([
    ['two headers', {}, () => nats(`Bearer ${token}`, 'Bearer other')],
    ['two values', {}, () => mqtt({ authorization: [`Bearer ${token}`, 'Bearer other'] })],
    ['a header and a field', { token: 'other' }, () => rmq({ authorization: `Bearer ${token}` })],
  ])('takes %s that differ for malformed', async (_, data, context) => {
    const guard = guardOf(RpcAuthGuard.from({ field: 'token' }));
    const error = { errorCode: 'TOKEN_MALFORMED' };
    await expect(guard.canActivate(contextOf(data, context()))).rejects.toMatchObject({ error });
  });

  it('reads nothing else', async () => {
    const guard = guardOf(RpcAuthGuard.from({ field: 'token' }));
    const error = { errorCode: 'TOKEN_MISSING' };
    for (const [data, context] of [
      [null, undefined],
      ['text', null],
      [Object.create({ token }), {}],
      [{ headers: { authorization: `Bearer ${token}` } }, rmq(undefined)],
    ] as const) {
      await expect(guard.canActivate(contextOf(data, context))).rejects.toMatchObject({ error });
    }
  });

  it('is one class for the same options, and refuses others', () => {
    expect(RpcAuthGuard.from({ field: 'token' })).toBe(RpcAuthGuard.from({ field: 'token' }));
    expect(RpcAuthGuard.from({ field: 'token' })).not.toBe(RpcAuthGuard.from({ field: 'other' }));
    expect(() => RpcAuthGuard.from({ filed: 'token' } as never)).toThrow('no option "filed": it has field and realm');
    expect(() => RpcAuthGuard.from({ field: '' })).toThrow('needs a name as its option "field"');
  });
});
