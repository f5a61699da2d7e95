import { beforeAll, describe, expect, it } from '@jest/globals';
import { type CanActivate, type ExecutionContext, Injectable, Module, UnauthorizedException } from '@nestjs/common';
import { SessionModule } from 'nestjs-latchkey';
import { SessionAdminModule, type SessionAdminOptions, type SessionAdminOptionsFactory } from 'nestjs-latchkey/admin';
import { type Observable, of } from 'rxjs';
import { adapters, sessionOptions, startApp, useApp } from '../nest/http-app.js';

@Injectable()
class Networks {
  readonly inside = ['intranet'];
}

@Module({ providers: [Networks], exports: [Networks] })
class NetworksModule {}

const header = (context: ExecutionContext, name: string) =>
  context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>().headers[name];

/** Answers with a promise, of what it was injected. */
@Injectable()
class NetworkGuard implements CanActivate {
  constructor(private readonly networks: Networks) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    return this.networks.inside.includes(header(context, 'x-network') ?? '');
  }
}

/** Answers with an observable, or throws an answer of its own. */
@Injectable()
class ShiftGuard implements CanActivate {
  canActivate(context: ExecutionContext): Observable<boolean> {
    if (header(context, 'x-shift') === 'none') throw new UnauthorizedException('Not at work');
    return of(header(context, 'x-shift') === 'day');
  }
}

const session = () => SessionModule.forRoot({ isGlobal: true, ...sessionOptions() });

describe.each(adapters)('the guards of the application, on $name', (kind) => {
  const admin = SessionAdminModule.forRoot({ imports: [NetworksModule], guards: [NetworkGuard, ShiftGuard] });
  const server = useApp(() => startApp(kind, { imports: [session(), admin] }));
  let token: string;
  beforeAll(async () => (token = (await server.tokens.login('root')).accessToken));

  const ask = (path: string, ...lines: string[]) => server.sendWith(token, { path, lines });

  it('are all asked, and decide in the place of authorize', async () => {
    const answer = await ask('/admin/operator', 'X-Network: intranet', 'X-Shift: day');
    expect(answer).toMatchObject({ status: 200, json: { userId: 'root' } });
    // There is no function that would allow an impersonation.
    const all = { viewAddresses: true, kick: true, endEverything: true, ban: true, export: true };
    const rights = { ...all, impersonate: false };
    expect(answer.json.rights).toEqual(rights);
  });

  it.each([
    { lines: [] },
    { lines: ['X-Network: intranet'] },
    { lines: ['X-Network: intranet', 'X-Shift: night'] },
    { lines: ['X-Shift: day'] },
  ])('A104: refuse who does not pass each of them: $lines', async ({ lines }) => {
    for (const path of ['/admin/operator', '/admin/online-users/export', '/admin/live']) {
      expect(await ask(path, ...lines)).toMatchObject({ status: 403, json: { errorCode: 'FORBIDDEN' } });
    }
  });

  it('may answer themselves', async () => {
    const answer = await ask('/admin/operator', 'X-Network: intranet', 'X-Shift: none');
    expect(answer).toMatchObject({ status: 401, json: { message: 'Not at work' } });
  });

  it('are not asked of whoever has no good token', async () => {
    const lines = ['X-Network: intranet', 'X-Shift: day'];
    expect((await server.send({ path: '/admin/operator', lines })).status).toBe(401);
  });
});

describe('the guards of the application and authorize', () => {
  it('must both agree', async () => {
    const admin = SessionAdminModule.forRoot({ guards: [ShiftGuard], authorize: ({ userId }) => userId === 'root' });
    const server = await startApp(adapters[0]!, { imports: [session(), admin] });
    const ask = async (userId: string, shift: string) => {
      const { accessToken } = await server.tokens.login(userId);
      return (await server.sendWith(accessToken, { path: '/admin/operator', lines: [`X-Shift: ${shift}`] })).status;
    };
    expect(await ask('root', 'day')).toBe(200);
    expect(await ask('root', 'night')).toBe(403);
    expect(await ask('alice', 'day')).toBe(403);
    await server.close();
  });
});

it('the module takes its options from a class as well', async () => {
  @Injectable()
  class AdminConfig implements SessionAdminOptionsFactory {
    constructor(private readonly networks: Networks) {}

    createSessionAdminOptions(): SessionAdminOptions {
      return { authorize: ({ userId }) => this.networks.inside.includes(userId) };
    }
  }
  const admin = SessionAdminModule.forRootAsync({ path: 'desk', imports: [NetworksModule], useClass: AdminConfig });
  const server = await startApp(adapters[0]!, { imports: [session(), admin] });
  for (const [user, status] of [
    ['intranet', 200],
    ['internet', 403],
  ] as const) {
    const { accessToken } = await server.tokens.login(user);
    expect((await server.sendWith(accessToken, { path: '/desk/operator' })).status).toBe(status);
  }
  await server.close();
});
