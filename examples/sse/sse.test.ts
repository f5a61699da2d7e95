import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Controller, Sse, UseGuards } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { AuthGuard, CurrentUser, RequireRole, cookies, multiDevice, singleDevice, sliding } from 'nestjs-latchkey';
import { ManualClock } from 'nestjs-latchkey/testing';
import { NEVER, type Observable, Subject, concat, finalize, of, throwError } from 'rxjs';
import { SessionAuthenticator } from 'lib/session-authenticator.js';
import { SqlSessionRepository } from 'lib/sql-session-repository.js';
import { MEASURED_D, type Node, partsOf, useNodes } from '../../test/support/doors.js';
import { timed, until } from '../../test/support/until.js';
import { FeedModule } from './feed.js';

interface Stream {
  readonly status: number;
  readonly headers: Headers;
  /** Events so far: type and data. */
  readonly events: (readonly [string, unknown])[];
  readonly isOver: () => boolean;
  readonly close: () => void;
}

/** Opens a stream, and reads it to its end. */
async function listen(url: string, headers: Record<string, string>): Promise<Stream> {
  const abort = new AbortController();
  const answer = await fetch(url, { headers, signal: abort.signal });
  const events: (readonly [string, unknown])[] = [];
  let over = false;
  let text = '';
  const read = async () => {
    for await (const part of answer.body!) {
      text += Buffer.from(part as Uint8Array).toString();
      const messages = text.split('\n\n');
      text = messages.pop()!;
      for (const message of messages) {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(message)?.[1];
        const data = field('data');
        if (data !== undefined) events.push([field('event') ?? 'message', JSON.parse(data)]);
      }
    }
    over = true;
  };
  void read().catch(() => undefined);
  return { status: answer.status, headers: answer.headers, events, isOver: () => over, close: () => abort.abort() };
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe.each([
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
])('the example for server-sent events on %s', (_, adapter) => {
  const start = useNodes();
  let one: Node;
  let other: Node;
  beforeAll(async () => {
    const session = { policy: singleDevice(), timing: MEASURED_D.timing };
    one = await start(partsOf(FeedModule), { session, adapter: adapter() });
    other = await start(partsOf(FeedModule), { session, adapter: adapter() });
  });

  const logIn = async (name: string) => {
    const answer = await fetch(`${one.url}/login/${name}`, { method: 'POST' });
    return (await answer.json()) as { accessToken: string; session: { id: string } };
  };

  it('needs a token, where it is not public', async () => {
    const refused = await fetch(`${one.url}/feed`);
    expect([refused.status, await refused.json()]).toMatchObject([401, { errorCode: 'TOKEN_MISSING' }]);
    const { events, close } = await listen(`${one.url}/time`, {});
    await until(() => events.length > 0);
    expect(events[0]).toEqual(['message', { second: 0 }]);
    close();
  });

  it('ends within D with the session that is kicked on another node, and with no other', async () => {
    const [alice, bob] = await Promise.all([logIn('alice'), logIn('bob')]);
    const streams = await Promise.all(
      [alice, bob].map(({ accessToken }) => listen(`${one.url}/feed`, bearer(accessToken))),
    );
    const [ended, kept] = streams as [Stream, Stream];
    await until(() => streams.every(({ events }) => events.length > 0));
    expect(ended.events[0]).toEqual(['message', { userId: 'alice', second: 0 }]);
    await other.operators.kick(alice.session.id, { by: 'root' });
    const { ms } = await timed(until(ended.isOver));
    expect(ms).toBeLessThan(MEASURED_D.ms);
    expect(ended.events.at(-1)).toEqual([
      'session-ended',
      { errorCode: 'SESSION_KICKED', endedAt: expect.any(String) },
    ]);
    expect(kept.isOver()).toBe(false);
    kept.close();
  });

  it('says which login took its place', async () => {
    const { accessToken } = await logIn('carol');
    const { events, isOver } = await listen(`${one.url}/feed`, bearer(accessToken));
    await other.tokens.login('carol', { deviceType: 'phone', deviceName: 'Pixel' });
    await until(isOver);
    expect(events.at(-1)).toEqual([
      'session-ended',
      {
        errorCode: 'SESSION_REPLACED',
        endedAt: expect.any(String),
        replacedBy: { deviceType: 'phone', deviceName: 'Pixel', at: expect.any(String) },
      },
    ]);
  });
});

let watched = 0;
let running = 0;

@UseGuards(AuthGuard)
@Controller()
class QuietController {
  @Sse('quiet')
  quiet(): Observable<never> {
    return NEVER;
  }

  @Sse('later')
  async later(@CurrentUser('userId') userId: string): Promise<Observable<object>> {
    const subject = new Subject<object>();
    setImmediate(() => {
      subject.next({ data: { userId } });
      subject.complete();
    });
    watched++;
    return subject;
  }

  @Sse('counted')
  counted(): Observable<never> {
    running++;
    return NEVER.pipe(finalize(() => running--));
  }

  @RequireRole('admin')
  @Sse('admins')
  admins(): Observable<never> {
    return NEVER;
  }

  @Sse('broken')
  broken(): Observable<object> {
    return concat(
      of({ data: 1 }),
      throwError(() => new Error('broken')),
    );
  }
}

describe('a stream', () => {
  const start = useNodes();
  const clock = new ManualClock(Date.now());

  it('brings a renewed token at its start, and ends when the session expires', async () => {
    const session = { clock, tokens: sliding({ maxAge: '3h' }) };
    const { tokens, url } = await start({ controllers: [QuietController] }, { session });
    const { accessToken } = await tokens.login('alice');
    clock.advance(117 * 60_000);
    const { events, headers, isOver } = await listen(`${url}/quiet`, bearer(accessToken));
    expect(headers.get('x-renewed-token')).toEqual(expect.any(String));
    clock.advance(64 * 60_000);
    await until(isOver);
    expect(events).toEqual([['session-ended', { errorCode: 'SESSION_EXPIRED' }]]);
  });

  it('ends by itself as before, also if its handler is asynchronous', async () => {
    const { tokens, url } = await start({ controllers: [QuietController] }, { session: { realm: 'later' } });
    const { accessToken } = await tokens.login('alice');
    const { events, isOver } = await listen(`${url}/later`, bearer(accessToken));
    await until(isOver);
    expect([events, watched]).toEqual([[['message', { userId: 'alice' }]], 1]);
  });

  it('asks memory, stops its source with its client or session, and cannot be opened again', async () => {
    const { tokens, operators, url } = await start(
      { controllers: [QuietController] },
      { session: { realm: 'counted', timing: MEASURED_D.timing } },
    );
    const logins = await Promise.all(Array.from({ length: 20 }, () => tokens.login('alice')));
    const headers = logins.map(({ accessToken }) => bearer(accessToken));
    const streams = await Promise.all(headers.map((one) => listen(`${url}/counted`, one)));
    expect([streams.map(({ status }) => status), running]).toEqual([Array(20).fill(200), 20]);
    const reads = jest.spyOn(SqlSessionRepository.prototype, 'findSessions');
    await operators.kick(logins[0]!.session.id, { by: 'root' });
    await until(streams[0]!.isOver);
    const read = new Set(reads.mock.calls.flatMap(([ids]) => ids));
    reads.mockRestore();
    expect([...read]).toEqual([logins[0]!.session.id]);
    expect(running).toBe(19);
    for (const { close } of streams) close();
    await until(() => running === 0);
    const again = await fetch(`${url}/counted`, { headers: { ...headers[0], 'last-event-id': '1' } });
    expect([again.status, await again.json()]).toMatchObject([401, { errorCode: 'SESSION_KICKED' }]);
  });

  it('G14: ends within D where its route refuses new claims, set on another node, and goes on by others', async () => {
    const session = { realm: 'roles', policy: multiDevice(), timing: MEASURED_D.timing };
    const one = await start({ controllers: [QuietController] }, { session });
    const other = await start({ controllers: [QuietController] }, { session });
    const { accessToken } = await one.tokens.login('boss', { claims: { roles: ['admin'] } });
    const open = () =>
      Promise.all(['admins', 'quiet'].map((path) => listen(`${one.url}/${path}`, bearer(accessToken))));
    const [admins, quiet] = (await open()) as [Stream, Stream];
    const look = jest.spyOn(SessionAuthenticator.prototype, 'refusalOf');
    await other.sessions.updateUserClaims('boss', { roles: ['admin', 'auditor'] });
    // Both routes have judged the new claims.
    const judged = () => look.mock.calls.filter(([, { claims }]) => (claims.roles as string[]).length === 2).length;
    await until(() => judged() >= 2);
    look.mockRestore();
    expect([admins.isOver(), quiet.isOver()]).toEqual([false, false]);
    await other.sessions.updateUserClaims('boss', { roles: ['auditor'] });
    const { ms } = await timed(until(admins.isOver));
    expect(ms).toBeLessThan(MEASURED_D.ms);
    const refusal = { errorCode: 'FORBIDDEN', message: expect.any(String), missing: { roles: ['admin'] } };
    expect(admins.events).toEqual([['refused', refusal]]);
    expect([quiet.isOver(), quiet.events]).toEqual([false, []]);
    quiet.close();
    expect((await fetch(`${one.url}/admins`, { headers: bearer(accessToken) })).status).toBe(403);
  });

  it('brings an error of its source, and ends', async () => {
    const { tokens, url } = await start({ controllers: [QuietController] }, { session: { realm: 'broken' } });
    const answer = await fetch(`${url}/broken`, { headers: bearer((await tokens.login('alice')).accessToken) });
    expect(await answer.text()).toMatch(/data: 1\n.*event: error\n/s);
  });

  it('is refused to other sites that send the cookie', async () => {
    const transport = cookies({ trustedOrigins: ['https://app.example.com'] });
    const { tokens, port, url } = await start(
      { controllers: [QuietController] },
      { session: { transport, realm: 'cookies' } },
    );
    const { accessToken } = await tokens.login('alice');
    const cookie = `session-cookies-${port}=${accessToken}`;
    const answers = [
      [{}, 200],
      [{ origin: url }, 200],
      [{ origin: 'https://app.example.com' }, 200],
      [{ origin: 'https://evil.example.com' }, 403],
      [{ origin: 'null' }, 403],
    ] as const;
    for (const [headers, status] of answers) {
      const stream = await listen(`${url}/quiet`, { cookie, ...headers });
      expect([headers, stream.status]).toEqual([headers, status]);
      stream.close();
    }
  });
});
