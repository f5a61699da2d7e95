import { get, request } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { type LoginResult, SessionModule, multiDevice } from 'nestjs-latchkey';
import { type AdminRight, SessionAdminModule } from 'nestjs-latchkey/admin';
import { ManualClock } from 'nestjs-latchkey/testing';
import { type HttpApp, adapters, sessionOptions, startApp } from '../nest/http-app.js';
import { linesOf } from './admin-app.js';
import { LiveStream, judgeOften } from './live-stream.js';

/** Its monotonic side can be moved on as well. */
class MovableClock extends ManualClock {
  private moved = 0;

  override monotonic(): number {
    return performance.now() + this.moved;
  }

  skip(ms: number): void {
    this.moved += ms;
  }
}

/** Goes by what the session of the request says now. */
@Injectable()
class RoleGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return context.switchToHttp().getRequest<{ user: { fired?: boolean } }>().user.fired !== true;
  }
}

const ALL: readonly AdminRight[] = ['view', 'viewAddresses', 'kick', 'export'];
const SESSIONS = 250;

judgeOften();

describe.each(adapters)('A11: rights that were taken away, on $name', (kind) => {
  let server: HttpApp;
  let clock: MovableClock;
  let operator: LoginResult;
  let taken: Set<AdminRight>;
  let onDescribe: () => Promise<void>;
  let isSilent: boolean;
  let streams: LiveStream[];

  const start = async () => {
    clock = new MovableClock(Date.now());
    server = await startApp(kind, {
      imports: [
        SessionModule.forRoot({ isGlobal: true, ...sessionOptions({ clock, policy: multiDevice({ max: Infinity }) }) }),
        SessionAdminModule.forRoot({
          guards: [RoleGuard],
          authorize: ({ claims }, right) =>
            isSilent ? new Promise(() => undefined) : (claims.rights as string[]).includes(right) && !taken.has(right),
          describeUsers: async (ids) => {
            await onDescribe();
            return ids.map((userId) => ({ userId }));
          },
        }),
      ],
    });
    operator = await server.tokens.login('root', { claims: { rights: ALL } });
    clock.advance(20_000);
  };

  beforeEach(async () => {
    [taken, streams, onDescribe, isSilent] = [new Set(), [], async () => undefined, false];
    await start();
  });

  afterEach(async () => {
    for (const stream of streams) stream.close();
    await server.close();
  });

  const watch = async () => {
    const stream = new LiveStream(server.port, operator.accessToken);
    streams.push(stream);
    await stream.until(/event: online/);
    return stream;
  };
  const demote = (claims: object) => server.sessions.updateClaims(operator.session.id, { rights: ALL, ...claims });

  it.each<readonly [string, () => Promise<unknown>]>([
    ['of an operator who was demoted by claims', () => demote({ rights: ['kick'] })],
    ['of an operator whom a guard of the application refuses by now', () => demote({ fired: true })],
    ['of an operator whom the application refuses by now', async () => taken.add('view')],
  ])('end the live stream %s', async (_title, take) => {
    const stream = await watch();
    await take();
    await stream.end();
    expect(stream.text).not.toContain('event: session-ended');
    const answer = await server.sendWith(operator.accessToken, { path: '/admin/live' });
    expect([401, 403]).toContain(answer.status);
  });

  it.each<readonly [string, string, () => Promise<unknown>]>([
    ['was ended', 'SESSION_KICKED', () => server.operators.kick(operator.session.id, { by: 'boss' })],
    ['is suspended', 'ACCOUNT_DISABLED', () => server.operators.ban('root', { by: 'boss', endSessions: false })],
    ['ran out with its token', 'SESSION_EXPIRED', async () => clock.advance(3 * 3_600_000)],
  ])('end the live stream of an operator whose session %s, and say why', async (_title, errorCode, take) => {
    const stream = await watch();
    await take();
    await stream.end();
    expect(stream.text).toMatch(new RegExp(`event: session-ended\\nid: \\w+\\ndata: \\{"errorCode":"${errorCode}"`));
  });

  it('are no longer shown: addresses in a stream that is open', async () => {
    const stream = await watch();
    clock.advance(1000);
    await server.tokens.login('before', { ip: '203.0.113.77' });
    await stream.until(/LOGIN.*before/);
    taken.add('viewAddresses');
    // Until it is judged, what happens is told with addresses.
    for (let index = 0; stream.changes.at(-1)!.ip !== null; index++) {
      clock.advance(1000);
      await server.tokens.login(`after-${index}-x`, { ip: '203.0.113.77' });
      await stream.until(new RegExp(`LOGIN.*after-${index}-x`));
    }
    expect(stream.changes[0]).toMatchObject({ userId: 'before', ip: '203.0.113.77' });
    taken.delete('viewAddresses');
  });

  /** Reads an export of all sessions, of which `change` is called after the first page. */
  const exportAll = async (change: () => unknown) => {
    for (let index = 0; index < SESSIONS; index++) await server.tokens.login(`user-${index}`);
    let pages = 0;
    onDescribe = async () => {
      if (++pages !== 1) return;
      change();
      clock.skip(10_000);
    };
    const headers = { authorization: `Bearer ${operator.accessToken}` };
    const path = '/admin/online-users/export?format=ndjson';
    let text = '';
    const isWhole = await new Promise<boolean>((resolve) => {
      get({ port: server.port, path, headers, agent: false }, (answer) => {
        answer.setEncoding('utf8').on('data', (part: string) => (text += part));
        answer.on('end', () => resolve(answer.complete)).on('error', () => resolve(false));
      }).on('error', () => resolve(false));
    });
    return { isWhole, pages, lines: linesOf(text).length };
  };

  it.each<AdminRight>(['view', 'export', 'viewAddresses'])('break an export off: %s', async (right) => {
    const { isWhole, pages, lines } = await exportAll(() => taken.add(right));
    expect([isWhole, pages]).toEqual([false, 1]);
    expect(lines).toBeLessThanOrEqual(200);
  });

  it('end what is open where the application does not say whether they are there', async () => {
    const stream = await watch();
    const exported = exportAll(() => (isSilent = true));
    await stream.end();
    expect((await exported).isWhole).toBe(false);
    expect((await server.sendWith(operator.accessToken, { path: '/admin/online-users' })).status).toBe(503);
  });

  it.each<readonly [string, () => unknown]>([
    ['the right', () => taken.add('kick')],
    ['the claims', () => demote({ rights: ['view'] })],
    ['the session', () => server.operators.kick(operator.session.id, { by: 'boss' })],
    ['the account', () => server.operators.ban('root', { by: 'boss', endSessions: false })],
  ])('stop a kick of many between two steps: %s', async (_title, take) => {
    for (let index = 0; index < SESSIONS; index++) await server.tokens.login(`user-${index}`, { deviceType: 'bulk' });
    const lines: string[] = [];
    await new Promise<void>((resolve, reject) => {
      const order = request(
        {
          port: server.port,
          method: 'POST',
          path: '/admin/kick',
          agent: false,
          headers: { authorization: `Bearer ${operator.accessToken}`, 'content-type': 'application/json' },
        },
        (answer) => {
          answer.setEncoding('utf8').on('end', resolve).on('error', reject);
          answer.on('data', (part: string) => {
            if (lines.push(part) === 1) void Promise.resolve(take()).then(() => clock.skip(10_000));
          });
        },
      );
      order.on('error', reject);
      order.end(JSON.stringify({ filter: { deviceType: 'bulk' } }));
    });
    const last = linesOf(lines.join('')).at(-1)!;
    expect(last).toMatchObject({ finished: true, error: expect.any(String) });
    expect(last.done).toBeLessThan(SESSIONS);
    const other = await server.tokens.login('other', { claims: { rights: ALL } });
    taken.clear();
    const { items } = (await server.sendWith(other.accessToken, { path: '/admin/events?type=BULK_KICK&limit=1' })).json;
    expect(items).toMatchObject([{ actor: 'root', ended: last.ended, detail: { state: 'stopped' } }]);
  });
});
