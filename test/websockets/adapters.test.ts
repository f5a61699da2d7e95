import { describe, expect, it } from '@jest/globals';
import { type INestApplication, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { WsAdapter } from '@nestjs/platform-ws';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { CurrentUser, RequireRole, SessionModule, type TokenService, getTokenServiceToken } from 'nestjs-latchkey';
import { SessionIoAdapter, SessionWsAdapter } from 'nestjs-latchkey/websockets';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { SECRET } from '../support/sessions.js';
import { sqliteOptions } from '../support/databases.js';
import { useNodes } from '../support/doors.js';

@WebSocketGateway()
class UserGateway {
  @SubscribeMessage('me')
  me(@CurrentUser() user: unknown) {
    return { event: 'me', data: user };
  }
}

@WebSocketGateway()
class AdminGateway {
  @RequireRole('admin')
  @SubscribeMessage('admin')
  admin() {
    return { event: 'admin', data: true };
  }
}

const sessions = (realm: string) =>
  SessionModule.forRoot({ secret: SECRET, realm, database: sqliteOptions(':memory:'), isGlobal: true });

async function withApp(imports: object[], work: (app: INestApplication) => unknown, providers: [] | [object] = []) {
  @Module({ imports: imports as [], providers: providers as [] })
  class Root {}
  const app = await NestFactory.create(Root, { logger: false, abortOnError: false });
  try {
    await work(app);
  } finally {
    await app.close();
  }
}

describe.each([
  ['SessionIoAdapter', SessionIoAdapter],
  ['SessionWsAdapter', SessionWsAdapter],
])('%s', (name, Adapter) => {
  it('needs an application, a SessionModule, and a realm if there are two', async () => {
    expect(() => new Adapter({} as never)).toThrow(
      `new ${name}(app) needs the application that NestFactory.create() returned`,
    );
    await withApp([], (app) => {
      expect(() => new Adapter(app)).toThrow(/needs one SessionModule.*\(none\)/);
    });
    await withApp([sessions('users'), sessions('staff')], (app) => {
      expect(() => new Adapter(app)).toThrow(/option "realm" to one of the application's realms \("users", "staff"\)/);
      expect(() => new Adapter(app, { realm: 'other' })).toThrow(/\("users", "staff"\)/);
      expect(() => new Adapter(app, { relm: 'users' } as never)).toThrow(
        `${name} has no option "relm": it has realm and adapter`,
      );
      new Adapter(app, { realm: 'staff' });
    });
  });

  it('enforces rules on a gateway without a guard, so that the boot accepts them', async () => {
    await withApp(
      [sessions('users')],
      async (app) => {
        app.useWebSocketAdapter(new Adapter(app));
        await app.init();
      },
      [AdminGateway],
    );
  });
});

@WebSocketGateway({ namespace: 'room', connectionStateRecovery: {} })
class RecoveringGateway {}

it('SessionIoAdapter refuses to recover sockets, which would come before the token is judged', async () => {
  await withApp(
    [sessions('users')],
    async (app) => {
      app.useWebSocketAdapter(new SessionIoAdapter(app));
      await expect(app.init()).rejects.toThrow(/^Remove the option connectionStateRecovery/);
    },
    [RecoveringGateway],
  );
});

describe('SessionWsAdapter', () => {
  const start = useNodes();
  const ask = async (url: string, token: string) => {
    const socket = new WebSocket(url.replace('http', 'ws'), ['latchkey', token]);
    const closed = once(socket, 'close');
    await once(socket, 'open');
    socket.send(JSON.stringify({ event: 'me' }));
    const answer = await Promise.race([
      once(socket, 'message').then(([text]) => JSON.parse(String(text)) as unknown),
      closed.then(([code, reason]) => `${code} ${String(reason)}`),
    ]);
    socket.terminate();
    return answer;
  };

  it('takes the tokens of its realm alone, and another adapter to work with', async () => {
    const made: unknown[] = [];
    class OwnAdapter extends WsAdapter {
      override create(port: number, options?: Record<string, unknown>) {
        const server: unknown = super.create(port, options as never);
        made.push(server);
        return server as never;
      }
    }
    const { url, app } = await start(
      { imports: [sessions('staff')], providers: [UserGateway] },
      {
        configure: (given) =>
          given.useWebSocketAdapter(new SessionWsAdapter(given, { realm: 'users', adapter: new OwnAdapter(given) })),
      },
    );
    const tokenOf = async (realm: string) =>
      (await app.get<TokenService>(getTokenServiceToken(realm), { strict: false }).login('alice')).accessToken;
    const user = { event: 'me', data: { userId: 'alice' } };
    expect([await ask(url, await tokenOf('users')), made.length]).toEqual([user, 1]);
    expect(await ask(url, await tokenOf('staff'))).toBe('4401 TOKEN_INVALID');
  });
});
