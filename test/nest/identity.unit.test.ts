import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import { EventEmitter } from 'node:events';
import { Controller, type ExecutionContext, Get, Injectable, UseGuards } from '@nestjs/common';
import { ExternalContextCreator } from '@nestjs/core/helpers/external-context-creator.js';
import { AuthGuard, CurrentSession, CurrentUser, Public, SessionModule, multiDevice } from 'nestjs-latchkey';
import { Verifier } from 'lib/verifier.js';
import { adapters, sessionOptions, startApp, useApp } from './http-app.js';

interface Payload {
  readonly authorization?: string;
  readonly headers?: object;
}

/** Takes the token from wherever each transport carries it. */
@Injectable()
class TransportGuard extends AuthGuard {
  override getRequest(context: ExecutionContext) {
    const args = context.getArgs<unknown[]>();
    if (context.getType<string>() === 'graphql') return (args[2] as { req: object }).req;
    if (context.getType() === 'rpc') {
      const data = args[0] as Payload;
      return data.headers ? data : { headers: { authorization: data.authorization } };
    }
    const [client, data] = args as [{ handshake: object }, Payload | undefined];
    return data?.authorization ? { headers: { authorization: data.authorization } } : client.handshake;
  }
}

/** Handlers of the other transports, reached through Nest's own pipeline of guards and parameters. */
@Injectable()
class Handlers {
  @UseGuards(TransportGuard)
  guarded(@CurrentUser() user: unknown, @CurrentSession('userId') ofSession: unknown) {
    return { user, ofSession };
  }

  @UseGuards(TransportGuard)
  @Public()
  open(@CurrentUser() user: unknown, @CurrentSession('userId') ofSession: unknown) {
    return { user, ofSession };
  }

  unguarded(@CurrentUser() user: unknown, @CurrentSession('userId') ofSession: unknown) {
    return { user, ofSession };
  }
}

@Controller()
class ForgedController {
  @Get('forged')
  forged(@CurrentUser('userId') user: unknown, @CurrentSession() session: unknown) {
    return { user, session };
  }
}

const of = (userId: string) => ({ user: { userId }, ofSession: userId });
const nobody = { user: null, ofSession: null };
/** What a client may send to be taken for somebody else. */
const forged = { user: { userId: 'admin' }, latchkey: { user: { userId: 'admin' }, session: { userId: 'admin' } } };

const server = useApp(() =>
  startApp(
    adapters[0]!,
    {
      imports: [SessionModule.forRoot(sessionOptions({ policy: multiDevice() }))],
      controllers: [ForgedController],
      providers: [Handlers],
    },
    {
      configure: (app) =>
        app.use((request: object, _response: unknown, next: () => void) => (Object.assign(request, forged), next())),
    },
  ),
);
const tokens: Record<string, string> = {};
beforeAll(async () => {
  for (const name of ['alice', 'bob']) tokens[name] = (await server.tokens.login(name)).accessToken;
});

/** A handler as Nest calls it for a transport, with the arguments that the transport gives it. */
function handlerOf(type: string, name: keyof Handlers): (...args: unknown[]) => Promise<unknown> {
  const handlers = server.app.get(Handlers);
  const creator = server.app.get(ExternalContextCreator);
  const params = { exchangeKeyForValue: () => null };
  const options = { guards: true, filters: false, interceptors: true };
  const key = '__routeArguments__';
  return creator.create(handlers, handlers[name], name, key, params, undefined, undefined, options, type);
}

const header = (name: string) => ({ headers: { authorization: `Bearer ${tokens[name]!}` } });

describe('identity in a GraphQL operation', () => {
  const query = handler('graphql', 'guarded');
  const field = handler('graphql', 'unguarded');
  const info = (path: object) => ({ fieldName: 'x', path });
  const root = (key: string) => ({ prev: undefined, key, typename: 'Query' });

  it('is the one of the token, though a query has no parent and a parent has a user', async () => {
    const context = { req: header('alice') };
    const path = root('me');
    expect(await query(undefined, {}, context, info(path))).toEqual(of('alice'));
    const parent = { title: 'a post', ...forged };
    const below = { prev: { prev: path, key: 0 }, key: 'author', typename: 'Post' };
    expect(await field(parent, {}, context, info(below))).toEqual(of('alice'));
    expect(await query(parent, forged, context, info(below))).toEqual(of('alice'));
    expect(await query(parent, context, { req: header('bob') }, {})).toEqual(of('bob'));
  });

  it('is null where no guard ran: in another field of the same operation, in an open one, without a path', async () => {
    const context = { req: header('alice'), ...forged };
    await query(undefined, {}, context, info(root('me')));
    expect(await field(forged, forged, context, info(root('news')))).toEqual(nobody);
    expect(await handlerOf('graphql', 'open')(forged, forged, context, info(root('news')))).toEqual(nobody);
    expect(await field(forged, forged, context)).toEqual(nobody);
  });

  it('is of one operation, whatever object of an application is the context of all', async () => {
    const shared = { req: header('alice') };
    const first = query(undefined, {}, shared, info(root('me')));
    shared.req = header('bob');
    expect(await Promise.all([first, query(undefined, {}, shared, info(root('me')))])).toEqual([
      of('alice'),
      of('bob'),
    ]);
  });

  it('is put on the request behind it for other libraries, and on nothing else', async () => {
    const request = Object.assign(new EventEmitter(), header('alice'), { user: undefined as unknown });
    await query(undefined, {}, { req: request }, info(root('me')));
    expect(request.user).toEqual({ userId: 'alice' });
    const plain = header('alice');
    await query(undefined, {}, { req: plain }, info(root('me')));
    expect(Object.keys(plain)).toEqual(['headers']);
  });
});

describe('identity in a microservice', () => {
  const guarded = handler('rpc', 'guarded');
  const rpcContext = () => ({ args: ['pattern'] });

  it('is the one of the token, and nothing lands in the payload', async () => {
    const payload = { authorization: `Bearer ${tokens.alice!}`, ...structuredClone(forged) };
    const before = structuredClone(payload);
    expect(await guarded(payload, rpcContext())).toEqual(of('alice'));
    expect(payload).toEqual(before);
    for (const name of ['open', 'unguarded'] as const) {
      expect(await handlerOf('rpc', name)(payload, rpcContext())).toEqual(nobody);
    }
  });

  it('is null in a second handler of the same event that no guard has seen', async () => {
    const context = rpcContext();
    const payload = { authorization: `Bearer ${tokens.alice!}` };
    await guarded(payload, context);
    expect(await handlerOf('rpc', 'unguarded')(payload, context)).toEqual(nobody);
    expect(await handlerOf('rpc', 'open')(payload, context)).toEqual(nobody);
  });

  it('takes nothing but the headers of a payload that is taken for the request', async () => {
    const verify = jest.spyOn(Verifier.prototype, 'verify');
    const payload = { ...header('bob'), ...structuredClone(forged), ip: '203.0.113.99' };
    const before = structuredClone(payload);
    expect(await guarded(payload, rpcContext())).toEqual(of('bob'));
    expect(payload).toEqual(before);
    expect(verify.mock.calls.map(([, use]) => use.ip)).toEqual([undefined]);
    verify.mockRestore();
  });

  it('is needed: what is refused has nothing of the payload called', async () => {
    const payload = { setHeader: 1, header: 'x', authorization: 'Bearer nonsense' };
    await expect(guarded(payload, payload)).rejects.toMatchObject({ status: 401 });
  });
});

describe('identity in messages of a socket', () => {
  const guarded = handler('ws', 'guarded');

  it.each([
    ['an object', [{ text: 'x', ...forged }]],
    ['text', ['text']],
    ['nothing', [undefined]],
    ['nothing, acknowledged', [undefined, () => undefined]],
  ])('is the one of the token; the message is %s', async (_title, message) => {
    const client = { handshake: { ...header('alice'), ...forged }, ...forged };
    expect(await guarded(client, ...message, 'pattern')).toEqual(of('alice'));
    for (const name of ['open', 'unguarded'] as const) {
      expect(await handlerOf('ws', name)(client, ...message, 'pattern')).toEqual(nobody);
    }
    expect([client.user, client.handshake.user]).toEqual([forged.user, forged.user]);
  });

  it('is of one message, whoever else speaks on the connection at the same time', async () => {
    const client = { handshake: {} };
    const send = (name: string) => guarded(client, { authorization: `Bearer ${tokens[name]!}` }, 'pattern');
    const names = ['alice', 'bob', 'alice', 'bob'];
    expect(await Promise.all(names.map(send))).toEqual(names.map(of));
  });

  it('is null rather than that of another message that cannot be told apart', async () => {
    const client = { handshake: header('alice') };
    const first = guarded(client, 'text', 'pattern');
    client.handshake = header('bob');
    for (const answer of await Promise.all([first, guarded(client, 'text', 'pattern')])) {
      expect([nobody, of('alice')]).toContainEqual(answer);
    }
    expect(await guarded(client, 'text', 'pattern')).toEqual(nobody);
    expect(await guarded(client, {}, 'pattern')).toEqual(of('bob'));
  });

  it('says what is wrong where a subclass finds no request', async () => {
    await expect(guarded({}, undefined, 'pattern')).rejects.toThrow(
      'getRequest of TransportGuard returned undefined in a context of type "ws"',
    );
  });
});

it('identity in a request over HTTP is nothing that stands on the request', async () => {
  expect((await server.send({ path: '/forged' })).json).toEqual({ user: null, session: null });
  expect((await server.sendWith(tokens.alice!, { path: '/forged' })).json).toEqual({ user: null, session: null });
});

/** Looked up when it is called: describe runs before the application is there. */
function handler(type: string, name: keyof Handlers): (...args: unknown[]) => Promise<unknown> {
  let made: ((...args: unknown[]) => Promise<unknown>) | undefined;
  return (...args) => (made ??= handlerOf(type, name))(...args);
}
