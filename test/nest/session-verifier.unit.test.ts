import { describe, expect, it } from '@jest/globals';
import { type CanActivate, Controller, type ExecutionContext, Get, Injectable, Post, UseGuards } from '@nestjs/common';
import {
  AuthGuard,
  CurrentUser,
  OptionalAuth,
  RequireRole,
  type SessionCheck,
  SessionModule,
  SessionVerifier,
  cookies,
  sliding,
} from 'nestjs-latchkey';
import { ManualClock } from 'nestjs-latchkey/testing';
import { HTTPS, cookiesOf } from './cookie-app.js';
import { adapters, sessionOptions, startApp, useApp, verdict } from './http-app.js';

const role = RequireRole as (...roles: string[]) => MethodDecorator;
let reuse: SessionCheck | null = null;

/** An API key, or a session. */
@Injectable()
class KeyOrSession implements CanActivate {
  constructor(private readonly sessions: SessionVerifier) {}

  async canActivate(context: ExecutionContext) {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>();
    if (headers['x-api-key'] === 'good') return true;
    return this.sessions.admit(context, reuse ?? (await this.sessions.verify(context)));
  }
}

@Controller()
@UseGuards(KeyOrSession)
class Routes {
  @Get('me')
  me(@CurrentUser('userId') userId: string | null) {
    return { userId };
  }

  @Get('reports')
  @role('auditor')
  reports() {
    return {};
  }

  @Post('act')
  act() {
    return {};
  }
}

/** Composes AuthGuard itself: whatever it refuses, an API key may still admit. */
@Injectable()
class SessionOrKey extends AuthGuard {
  override async canActivate(context: ExecutionContext) {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>();
    return super.canActivate(context).catch((error: unknown) => {
      if (headers['x-api-key'] === 'good') return true;
      throw error;
    });
  }
}

@Controller('either')
@UseGuards(SessionOrKey)
class EitherRoutes {
  @Get()
  me(@CurrentUser('userId') userId: string | null) {
    return { userId };
  }
}

@Controller('optional')
class OptionalRoutes {
  @OptionalAuth()
  @UseGuards(KeyOrSession)
  @Get()
  me(@CurrentUser('userId') userId: string | null) {
    return { userId };
  }
}

describe.each(adapters)('a guard that accepts an API key or a session on $name', (kind) => {
  const clock = new ManualClock(Date.UTC(2026, 0, 1));
  const start = (options: object) =>
    startApp(
      kind,
      {
        imports: [SessionModule.forRoot({ ...sessionOptions(options), isGlobal: true })],
        controllers: [Routes, EitherRoutes, OptionalRoutes],
      },
      { trustProxy: true },
    );
  const app = useApp(() => start({ clock, tokens: sliding({ ttl: '1h', renewWithin: '30m' }) }));
  const byCookie = useApp(() => start({ transport: cookies() }));

  it('leaves no header of a refusal on an answer that it admits after all', async () => {
    const { accessToken } = await byCookie.tokens.login('kicked');
    await byCookie.operators.kickUser('kicked', { by: 'root' });
    const page = [...HTTPS, 'Sec-Fetch-Mode: navigate', `Cookie: __Host-session=${accessToken}`];
    for (const [server, lines] of [
      [app, ['Authorization: Bearer nonsense']],
      [byCookie, page],
    ] as const) {
      const admitted = await server.send({ path: '/either', lines: [...lines, 'X-Api-Key: good'] });
      expect([admitted.status, admitted.json]).toEqual([200, { userId: null }]);
      for (const name of ['www-authenticate', 'set-cookie']) expect(admitted.headers[name]).toBeUndefined();
      const refused = await server.send({ path: '/either', lines });
      expect([refused.status, 'www-authenticate' in refused.headers]).toEqual([401, true]);
    }
    expect(Object.keys(cookiesOf(await byCookie.send({ path: '/either', lines: page })))).toHaveLength(2);
  });

  it('admits either, and gives the user of a session with its renewal', async () => {
    const { accessToken } = await app.tokens.login('alice');
    expect((await app.send({ lines: ['X-Api-Key: good'] })).json).toEqual({ userId: null });
    clock.advance(40 * 60_000);
    const answer = await app.sendWith(accessToken);
    expect([answer.json, answer.headers['x-renewed-token'] !== undefined]).toEqual([{ userId: 'alice' }, true]);
  });

  it('refuses the rest with the reason, and without a challenge', async () => {
    const { accessToken } = await app.tokens.login('bob');
    expect(verdict(await app.send())).toEqual({ status: 401, errorCode: 'TOKEN_MISSING', challenge: undefined });
    const forbidden = await app.sendWith(accessToken, { path: '/reports' });
    expect(verdict(forbidden)).toEqual({ status: 403, errorCode: 'FORBIDDEN', challenge: undefined });
    expect(forbidden.json.missing).toEqual({ roles: ['auditor'] });
    await app.operators.kickUser('bob', { by: 'root' });
    expect(verdict(await app.sendWith(accessToken))).toEqual({
      status: 401,
      errorCode: 'SESSION_KICKED',
      challenge: undefined,
    });
    expect((await app.send({ path: '/optional' })).json).toEqual({ userId: null });
  });

  it('includes the check of other sites, and clears a refused cookie in an answer that is navigated to', async () => {
    const { accessToken } = await byCookie.tokens.login('carol');
    const lines = [...HTTPS, `Cookie: __Host-session=${accessToken}`];
    const act = (more: string) => byCookie.send({ method: 'POST', path: '/act', lines: [...lines, more] });
    expect((await act('Sec-Fetch-Site: cross-site')).json.errorCode).toBe('CROSS_SITE_REQUEST');
    const good = await act('Sec-Fetch-Site: same-origin');
    expect([good.status, good.headers['cache-control'], good.headers.vary]).toEqual([201, 'private', 'Cookie']);
    await byCookie.operators.kickUser('carol', { by: 'root' });
    const refused = await byCookie.send({ lines: [...lines, 'Sec-Fetch-Mode: navigate'] });
    expect([refused.status, cookiesOf(refused)['__Host-session']!.value]).toEqual([401, '']);
  });

  it('admits by nothing but a result of its own', async () => {
    reuse = { code: null, user: { userId: 'root' }, session: {} } as never;
    try {
      expect((await app.send()).status).toBe(500);
    } finally {
      reuse = null;
    }
  });
});
