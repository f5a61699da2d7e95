import { once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { UseGuards } from '@nestjs/common';
import { Field, ObjectType, Query, ResolveField, Resolver, Subscription } from '@nestjs/graphql';
import { AuthGuard, CurrentUser, Public, RequireRole, both, singleDevice, sliding } from 'nestjs-latchkey';
import { ManualClock } from 'nestjs-latchkey/testing';
import { WebSocket } from 'ws';
import { MEASURED_D, useNodes } from '../../test/support/doors.js';
import type { Services } from '../../test/support/sessions.js';
import { timed, until } from '../../test/support/until.js';
import { AccountsResolver } from './accounts.resolver.js';
import { drivers } from './test-app.js';

interface Message {
  readonly type: string;
  readonly id?: string;
  readonly payload?: unknown;
}

/** Client of the protocol graphql-transport-ws that shows each message. */
class Client {
  readonly messages: Message[] = [];
  closed: { readonly code: number; readonly reason: string } | null = null;
  private readonly socket: WebSocket;

  private constructor(port: number, headers: IncomingHttpHeaders) {
    this.socket = new WebSocket(`ws://127.0.0.1:${port}/graphql`, 'graphql-transport-ws', { headers });
    this.socket.on('message', (data: Buffer) => this.messages.push(JSON.parse(data.toString()) as Message));
    this.socket.on('close', (code, reason) => (this.closed = { code, reason: reason.toString() }));
  }

  static async connect(port: number, params?: object, headers: IncomingHttpHeaders = {}): Promise<Client> {
    const client = new Client(port, headers);
    await once(client.socket, 'open');
    client.send({ type: 'connection_init', payload: params });
    await until(() => client.messages.some(({ type }) => type === 'connection_ack'));
    return client;
  }

  send(message: Message): void {
    this.socket.send(JSON.stringify(message));
  }

  /** Starts an operation, and returns the payload of its first answer. */
  async ask(id: string, query: string): Promise<unknown> {
    this.send({ type: 'subscribe', id, payload: { query } });
    const answer = () => this.messages.find((one) => one.id === id && ['next', 'error'].includes(one.type));
    await until(() => answer() !== undefined);
    return answer()!.payload;
  }

  async end(): Promise<Client['closed']> {
    await until(() => this.closed !== null);
    return this.closed;
  }

  close(): void {
    this.socket.close();
  }
}

@ObjectType()
class Event {
  @Field(() => String, { nullable: true }) readonly secret?: string;
}

@Resolver(() => Event)
class EventResolver {
  @Query(() => String)
  ping() {
    return 'pong';
  }

  @Public()
  @UseGuards(AuthGuard)
  @Subscription(() => String)
  async *news() {
    yield { news: 'for all' };
    await new Promise(() => undefined);
  }

  @UseGuards(AuthGuard)
  @Subscription(() => String)
  async *mine(@CurrentUser('userId') userId: string) {
    yield { mine: userId };
    await new Promise(() => undefined);
  }

  @RequireRole('admin')
  @UseGuards(AuthGuard)
  @Subscription(() => Event)
  async *events() {
    yield { events: {} };
    yield { events: {} };
    await new Promise(() => undefined);
  }

  @UseGuards(AuthGuard)
  @ResolveField(() => String, { nullable: true })
  secret(@CurrentUser('userId') userId: string) {
    return userId;
  }
}

const HOUR = 3_600_000;

const codeOf = (payload: unknown) => {
  const errors = Array.isArray(payload) ? payload : (payload as { errors: unknown[] }).errors;
  return (errors[0] as { extensions?: { errorCode?: unknown } }).extensions?.errorCode;
};

describe.each(drivers)('GraphQL subscriptions by $name', (driver) => {
  const start = useNodes();
  const clock = new ManualClock(Date.now());
  const node = (session = {}, trustProxy = false) =>
    start(
      {
        imports: [driver.module({ fieldResolverEnhancers: ['guards'] })],
        providers: [AccountsResolver, EventResolver],
      },
      { adapter: driver.adapter.create({ trustProxy }), session },
    );

  it.each(['Authorization', 'authorization'])('takes the token from connectionParams: %s', async (name) => {
    const { port, tokens } = await node();
    const { accessToken } = await tokens.login('alice');
    const client = await Client.connect(port, { [name]: `Bearer ${accessToken}` });
    expect(await client.ask('1', 'subscription { mine }')).toEqual({ data: { mine: 'alice' } });
    expect(await client.ask('2', 'subscription { ticks }')).toEqual({ data: { ticks: expect.any(Number) } });
    expect(await client.ask('3', '{ me { userId } }')).toEqual({ data: { me: { userId: 'alice' } } });
    client.close();
  });

  it('refuses a subscription with its code, and leaves the others of the socket', async () => {
    const { port, tokens, operators } = await node();
    const { accessToken, session } = await tokens.login('gone');
    await operators.kick(session.id, { by: 'root' });
    const params: [string, object | undefined][] = [
      ['TOKEN_MISSING', undefined],
      ['TOKEN_MISSING', { user: { userId: 'admin' }, userId: 'admin', headers: {}, token: accessToken }],
      ['TOKEN_MALFORMED', { Authorization: { Bearer: 'x' } }],
      ['TOKEN_INVALID', { authorization: 'Bearer ses_at_unknown' }],
      ['SESSION_KICKED', { authorization: `Bearer ${accessToken}` }],
    ];
    for (const [code, given] of params) {
      const client = await Client.connect(port, given);
      expect(codeOf(await client.ask('1', 'subscription { mine }'))).toBe(code);
      expect(await client.ask('2', 'subscription { news }')).toEqual({ data: { news: 'for all' } });
      expect(client.closed).toBeNull();
      client.close();
    }
    const plain = await Client.connect(port, { authorization: `Bearer ${(await tokens.login('plain')).accessToken}` });
    expect(codeOf(await plain.ask('1', 'subscription { events { secret } }'))).toBe('FORBIDDEN');
    plain.close();
  });

  it('guards fields of each event', async () => {
    const { port, tokens } = await node();
    const { accessToken } = await tokens.login('admin', { claims: { roles: ['admin'] } });
    const client = await Client.connect(port, { authorization: `Bearer ${accessToken}` });
    expect(await client.ask('1', 'subscription { events { secret } }')).toEqual({
      data: { events: { secret: 'admin' } },
    });
    await until(() => client.messages.filter(({ type }) => type === 'next').length === 2);
    client.close();
  });

  it('closes the sockets of a session that ended, on every node, within D, and no others', async () => {
    const session = { timing: MEASURED_D.timing };
    const [first, second] = [await node(session), await node(session)];
    const { tokens, sessions, operators } = first;
    const open = async (user: string, port: number) => {
      const login = await tokens.login(user);
      const client = await Client.connect(port, { authorization: `Bearer ${login.accessToken}` });
      expect(await client.ask('1', 'subscription { mine }')).toEqual({ data: { mine: user } });
      return { id: login.session.id, client };
    };
    for (const { port } of [first, second]) {
      const [kicked, left, stays] = [await open('alice', port), await open('bob', port), await open('alice', port)];
      await operators.kick(kicked.id, { by: 'root' });
      await sessions.end('bob', left.id);
      const { value, ms } = await timed(Promise.all([kicked.client.end(), left.client.end()]));
      expect(value).toEqual([
        { code: 4401, reason: 'SESSION_KICKED' },
        { code: 4401, reason: 'SESSION_LOGGED_OUT' },
      ]);
      expect(ms).toBeLessThan(MEASURED_D.ms);
      expect(await stays.client.ask('2', 'subscription { mine }')).toEqual({ data: { mine: 'alice' } });
      stays.client.close();
    }
  });

  it('G14: closes the sockets of subscriptions that new claims refuse, on every node, within D, and no others', async () => {
    const session = { timing: MEASURED_D.timing };
    const [first, second] = [await node(session), await node(session)];
    const open = async (port: number, token: string, query: string) => {
      const client = await Client.connect(port, { authorization: `Bearer ${token}` });
      expect(await client.ask('1', `subscription { ${query} }`)).toHaveProperty('data');
      return client;
    };
    for (const { port, tokens, sessions } of [first, second]) {
      const { accessToken } = await first.tokens.login('boss', { claims: { roles: ['admin'] } });
      const clients = await Promise.all(['events { secret }', 'mine'].map((query) => open(port, accessToken, query)));
      const [admin, plain] = clients as [Client, Client];
      await first.sessions.updateUserClaims('boss', { roles: ['auditor', 'admin'] });
      // Still open when the next look has passed, which closes a socket of another session.
      const gone = await tokens.login('gone');
      const other = await open(port, gone.accessToken, 'mine');
      await sessions.end('gone', gone.session.id);
      await other.end();
      expect([admin.closed, plain.closed]).toEqual([null, null]);
      await first.sessions.updateUserClaims('boss', { roles: ['auditor'] });
      const { value, ms } = await timed(admin.end());
      expect(value).toEqual({ code: 4403, reason: 'FORBIDDEN' });
      expect(ms).toBeLessThan(MEASURED_D.ms);
      expect(await plain.ask('2', 'subscription { mine }')).toEqual({ data: { mine: 'boss' } });
      expect(codeOf(await plain.ask('3', 'subscription { events { secret } }'))).toBe('FORBIDDEN');
      plain.close();
    }
  });

  it.each([
    ['SESSION_REPLACED', async ({ tokens }: Services) => void (await tokens.login('ends'))],
    ['SESSION_EXPIRED', () => clock.advance(3 * HOUR)],
  ])('closes a socket with %s', async (reason, end) => {
    const started = await node({ policy: singleDevice(), clock });
    const { accessToken } = await started.tokens.login('ends');
    const client = await Client.connect(started.port, { authorization: `Bearer ${accessToken}` });
    await client.ask('1', 'subscription { mine }');
    await end(started);
    expect(await client.end()).toEqual({ code: 4401, reason });
  });

  it('sends a renewed token once, in the payload of a ping', async () => {
    const { port, tokens } = await node({ clock, tokens: sliding({ ttl: '2h', renewWithin: '5m' }) });
    const { accessToken } = await tokens.login('renewed');
    clock.advance(116 * 60_000);
    const client = await Client.connect(port, { authorization: `Bearer ${accessToken}` });
    await client.ask('1', 'subscription { mine }');
    await client.ask('2', '{ me { userId } }');
    const pings = client.messages.filter(({ type, payload }) => type === 'ping' && payload);
    expect(pings).toEqual([
      { type: 'ping', payload: { renewedToken: expect.stringMatching(/^ses_at_/), renewedTokenExpiresIn: 7200 } },
    ]);
    const { renewedToken } = pings[0]!.payload as { renewedToken: string };
    expect(await tokens.verify(renewedToken)).toMatchObject({ status: 'VALID' });
    client.close();
  });

  it('takes the cookie of the request that opened the socket from its own site and from trusted ones alone', async () => {
    const { port, tokens } = await node({ transport: both({ trustedOrigins: ['https://app.example.com'] }) });
    const { accessToken } = await tokens.login('alice');
    const cookie = `__Host-session=${accessToken}`;
    // Fastify's request, which mercurius has, knows of TLS that ended before it; the one of Apollo may have been either.
    const https = driver.name === 'mercurius' ? [] : [`https://127.0.0.1:${port}`];
    const own = [`http://127.0.0.1:${port}`, 'https://app.example.com', ...https];
    const foreign = ['https://evil.example', 'null', undefined];
    for (const origin of [...own, ...foreign]) {
      // Said by the client's first message, which a page of any site writes.
      const params = { 'sec-fetch-site': 'same-origin', 'x-requested-with': 'x', origin: own[0] };
      const client = await Client.connect(port, params, { cookie, ...(origin !== undefined && { origin }) });
      const answer = await client.ask('1', 'subscription { mine }');
      if (own.includes(origin!)) expect(answer).toEqual({ data: { mine: 'alice' } });
      else expect([origin, codeOf(answer)]).toEqual([origin, 'CROSS_SITE_REQUEST']);
      client.close();
    }
  });

  it('takes no host of its own from the first message of a client', async () => {
    const { port, tokens } = await node({ transport: both() }, true);
    const cookie = `__Host-session=${(await tokens.login('alice')).accessToken}`;
    const params = { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' };
    const client = await Client.connect(port, params, { cookie, origin: 'https://evil.example' });
    for (const id of ['1', '2'])
      expect(codeOf(await client.ask(id, 'subscription { mine }'))).toBe('CROSS_SITE_REQUEST');
    client.close();
  });
});
