import type { Server } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { Controller, Get, Module, Req, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AuthGuard, SessionModule } from 'nestjs-latchkey';
import { adapters, sessionOptions, startApp } from './http-app.js';

interface WithUser {
  user?: { readonly userId: string } | null;
}

let seen: unknown[] = [];

/** What a request has of its own before anything of Nest has touched it, and as what. */
function look(request: object): void {
  seen.push(
    ['user', 'latchkey'].map((name) => [Object.hasOwn(request, name), (request as Record<string, unknown>)[name]]),
  );
}

@Controller()
class RoutesController {
  @Get('open')
  open(@Req() { user = null }: WithUser) {
    return { user };
  }

  @Get('me')
  @UseGuards(AuthGuard)
  me(@Req() { user }: WithUser) {
    return { userId: user!.userId };
  }
}

@Module({ imports: [SessionModule.forRoot(sessionOptions({ realm: 'staff' }))] })
class StaffModule {}

describe.each(adapters)('the properties of a request on $name', (kind) => {
  it('are there from the start where that is worth while, and empty until AuthGuard sets them', async () => {
    seen = [];
    const own = kind.name === 'Express';
    const server = await startApp(
      kind,
      {
        imports: [StaffModule, SessionModule.forRoot(sessionOptions())],
        controllers: [RoutesController],
      },
      {
        configure: (app) => app.use((request: object, _response: object, next: () => void) => (look(request), next())),
      },
    );
    try {
      // One, however many modules there are, beside that of the framework.
      expect((server.app.getHttpServer() as Server).listenerCount('request')).toBe(own ? 2 : 1);
      const { accessToken } = await server.tokens.login('alice');
      expect((await server.send({ path: '/open' })).json).toEqual({ user: null });
      expect((await server.sendWith(accessToken, { path: '/me' })).json).toEqual({ userId: 'alice' });
      expect((await server.send({ path: '/me' })).status).toBe(401);
      const empty = [own, undefined];
      expect(seen).toEqual([1, 2, 3].map(() => [empty, empty]));
    } finally {
      await server.close();
    }
  });
});

it('a module is at home where there is no HTTP', async () => {
  const context = await NestFactory.createApplicationContext(SessionModule.forRoot(sessionOptions()), {
    logger: false,
  });
  await context.close();
});
