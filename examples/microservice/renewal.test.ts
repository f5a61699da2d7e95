import { afterAll, describe, expect, it, jest } from '@jest/globals';
import { Controller, UseGuards, UseInterceptors } from '@nestjs/common';
import {
  type ClientProxy,
  ClientProxyFactory,
  EventPattern,
  MessagePattern,
  Payload,
  Transport,
} from '@nestjs/microservices';
import {
  CurrentSession,
  CurrentUser,
  OptionalAuth,
  Public,
  SessionError,
  SessionService,
  accessAndRefresh,
  fixed,
  sliding,
} from 'nestjs-latchkey';
import { RpcAuthGuard, RpcRenewalInterceptor } from 'nestjs-latchkey/microservices';
import { ManualClock } from 'nestjs-latchkey/testing';
import { lastValueFrom, map, of, toArray } from 'rxjs';
import { SessionAuthenticator } from 'lib/session-authenticator.js';
import { SessionQueries } from 'lib/session-queries.js';
import { type Node, type NodeOptions, useNodes } from '../../test/support/doors.js';
import { until } from '../../test/support/until.js';
import { freePort } from '../../tools/servers/free-port.mjs';

const MINUTE = 60_000;

class Account {
  constructor(readonly userId: string) {}
}

const cached = { shared: true };
const answers: Record<string, unknown> = {
  object: cached,
  bare: Object.assign(Object.create(null) as object, { bare: true }),
  text: 'text',
  number: 7,
  nothing: null,
  list: [{ userId: 'alice' }],
  instance: new Account('alice'),
  own: { renewed: 'yesterday' },
};

@UseInterceptors(RpcRenewalInterceptor)
@UseGuards(RpcAuthGuard.from({ field: 'token' }))
@Controller()
class ShapesController {
  readonly seen: unknown[] = [];

  constructor(private readonly sessions: SessionService) {}

  @MessagePattern('answer')
  answer(@Payload('shape') shape: string) {
    return answers[shape];
  }

  @MessagePattern('stream')
  stream() {
    return of('text', { part: 1 }, { part: 2 });
  }

  @MessagePattern('throw')
  throw() {
    throw new SessionError('SESSION_NOT_FOUND');
  }

  @MessagePattern('leave')
  async leave(@CurrentSession('id') id: string, @CurrentUser('userId') userId: string) {
    await this.sessions.end(userId, id);
    return { left: true };
  }

  @Public()
  @MessagePattern('public')
  public() {
    return { user: null };
  }

  @OptionalAuth()
  @MessagePattern('optional')
  optional(@CurrentUser('userId') userId: string | null) {
    return { userId };
  }

  @EventPattern('seen')
  onSeen(@Payload() _: unknown) {
    this.seen.push({});
    return { seen: true };
  }

  @UseInterceptors({ intercept: (_, next) => next.handle().pipe(map((answer) => ({ ...(answer as Account) }))) })
  @MessagePattern('serialized')
  serialized() {
    return answers.instance;
  }

  @UseInterceptors(new RpcRenewalInterceptor({ field: 'session' }))
  @MessagePattern('twice')
  twice() {
    return { twice: true };
  }
}

@UseGuards(RpcAuthGuard.from({ field: 'token' }))
@Controller()
class UnaskedController {
  @MessagePattern('unasked')
  unasked(@CurrentUser('userId') userId: string) {
    return { userId };
  }
}

const clients: ClientProxy[] = [];
afterAll(() => {
  for (const client of clients) client.close();
});

describe('RpcRenewalInterceptor', () => {
  const start = useNodes();
  const clock = new ManualClock(Date.now());
  const renewed = { accessToken: expect.any(String), expiresIn: 7200 };

  /** A node, and a client that gets all answers to a message. */
  const open = async (session: NodeOptions['session']) => {
    const controllers = [ShapesController, UnaskedController];
    const node = await start({ controllers }, { session: { clock, ...session } });
    const options = { host: '127.0.0.1', port: await freePort() };
    node.app.connectMicroservice({ transport: Transport.TCP, options }, { inheritAppConfig: true });
    await node.app.startAllMicroservices();
    const client = ClientProxyFactory.create({ transport: Transport.TCP, options });
    clients.push(client);
    const ask = (pattern: string, payload: object) =>
      lastValueFrom(client.send<unknown>(pattern, payload).pipe(toArray()));
    return { node, client, ask };
  };

  /** Logs in, and lets the token come near its end. */
  const logIn = async ({ tokens }: Node, minutes = 117) => {
    const { accessToken } = await tokens.login('alice');
    clock.advance(minutes * MINUTE);
    return accessToken;
  };

  it('adds the token to plain objects alone, and to none of the handler itself', async () => {
    const { node, ask } = await open({ tokens: sliding(), realm: 'shapes' });
    const token = await logIn(node);
    const sent = (shape: string) => JSON.parse(JSON.stringify(answers[shape])) as object;
    for (const shape of ['text', 'number', 'nothing', 'list', 'instance', 'own']) {
      expect([shape, await ask('answer', { token, shape })]).toEqual([shape, [sent(shape)]]);
    }
    expect(await ask('answer', { token, shape: 'object' })).toEqual([{ shared: true, renewed }]);
    expect(await ask('answer', { token, shape: 'bare' })).toEqual([{ bare: true, renewed }]);
    expect(await ask('serialized', { token })).toEqual([{ userId: 'alice', renewed }]);
    expect(cached).toEqual({ shared: true });
    expect(await ask('stream', { token })).toEqual(['text', { part: 1, renewed }, { part: 2 }]);
  });

  it('renews only for an answer that brings the token', async () => {
    const { node, ask, client } = await open({ tokens: sliding(), realm: 'sparing' });
    const token = await logIn(node);
    const queries = node.app.get(SessionQueries, { strict: false });
    const renewals = async () => {
      const events = await queries.events({ types: ['TOKEN_RENEWED'] }, { from: null, backwards: false, limit: 10 });
      return events.length;
    };
    expect(await ask('answer', { token, shape: 'list' })).toHaveLength(1);
    expect(await ask('unasked', { token })).toEqual([{ userId: 'alice' }]);
    await expect(ask('throw', { token })).rejects.toMatchObject({ errorCode: 'SESSION_NOT_FOUND' });
    await expect(ask('answer', { token: 'ses_at_unknown' })).rejects.toMatchObject({ errorCode: 'TOKEN_INVALID' });
    client.emit('seen', { token });
    await until(() => node.app.get(ShapesController).seen.length > 0);
    expect(await ask('public', { token })).toEqual([{ user: null }]);
    expect(await ask('optional', {})).toEqual([{ userId: null }]);
    expect(await ask('leave', { token })).toEqual([{ left: true }]);
    expect(await renewals()).toBe(0);
    const other = await logIn(node);
    expect(await ask('optional', { token: other })).toEqual([{ userId: 'alice', renewed }]);
    expect(await renewals()).toBe(1);
  });

  it('asks memory alone, as long as the token is not near its end', async () => {
    const { node, ask } = await open({ tokens: sliding(), realm: 'resting' });
    const token = await logIn(node, 1);
    await ask('answer', { token, shape: 'object' });
    const authenticate = jest.spyOn(node.app.get(SessionAuthenticator, { strict: false }), 'authenticate');
    expect(await ask('answer', { token, shape: 'object' })).toEqual([cached]);
    // The guard's own.
    expect(authenticate).toHaveBeenCalledTimes(1);
    authenticate.mockRestore();
  });

  it('leaves an answer as it is while the database does not answer', async () => {
    const { node, ask } = await open({ tokens: sliding(), realm: 'outage' });
    const token = await logIn(node);
    const authenticator = node.app.get(SessionAuthenticator, { strict: false });
    const unavailable = authenticator.answers.to('SESSION_STORE_UNAVAILABLE');
    const authenticate = authenticator.authenticate.bind(authenticator);
    const spy = jest
      .spyOn(authenticator, 'authenticate')
      .mockImplementationOnce(authenticate)
      .mockReturnValueOnce(unavailable);
    expect(await ask('answer', { token, shape: 'object' })).toEqual([cached]);
    expect(spy).toHaveBeenCalledTimes(2);
    spy.mockRestore();
    expect(await ask('answer', { token, shape: 'object' })).toEqual([{ shared: true, renewed }]);
  });

  it.each([
    ['accessAndRefresh', accessAndRefresh({ access: '2h' }), 110],
    ['fixed', fixed({ ttl: '2h' }), 117],
  ])('adds nothing where tokens are not renewed: %s', async (realm, tokens, minutes) => {
    const { node, ask } = await open({ tokens, realm: realm.toLowerCase() });
    const token = await logIn(node, minutes);
    expect(await ask('answer', { token, shape: 'object' })).toEqual([cached]);
  });

  it('uses the field that it is given', async () => {
    const { node, ask } = await open({ tokens: sliding(), realm: 'named' });
    const token = await logIn(node);
    // Two interceptors, each with its field.
    expect(await ask('twice', { token })).toEqual([{ twice: true, session: renewed, renewed }]);
    expect(() => new RpcRenewalInterceptor({ filed: 'x' } as never)).toThrow(
      'RpcRenewalInterceptor has no option "filed": it has field',
    );
    expect(() => new RpcRenewalInterceptor({ field: '' })).toThrow('needs a name as its option "field"');
  });
});
