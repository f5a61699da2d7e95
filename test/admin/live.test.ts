import { once } from 'node:events';
import type { Server, ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { adapters } from '../nest/http-app.js';
import { heapInUse } from '../support/memory.js';
import type { Subject } from 'rxjs';
import type { PeriodicTask } from 'lib/periodic-task.js';
import { LiveFeed } from 'lib/admin/live/live-feed.js';
import { type AdminApp, startAdminApp } from './admin-app.js';
import { LiveStream } from './live-stream.js';

describe.each(adapters)('what is told live, on $name', (kind) => {
  let server: AdminApp;
  let asked: (readonly string[])[];
  let streams: LiveStream[];

  beforeEach(async () => {
    [asked, streams] = [[], []];
    const describeUsers = async (ids: readonly string[]) => {
      asked.push(ids);
      return ids.map((userId) => ({ userId, username: `Name of ${userId}` }));
    };
    server = await startAdminApp(kind, { describeUsers });
  });

  afterEach(async () => {
    for (const stream of streams) stream.close();
    await server.close();
  });

  const watch = async (token: string, lastEventId?: string) => {
    const stream = new LiveStream(server.port, token, lastEventId);
    streams.push(stream);
    await stream.until(/event: online/);
    return stream;
  };

  /** Watches as a new operator until a login is told. @returns the token and the id of that message */
  const watchOneLogin = async () => {
    const token = await server.operator('view');
    server.clock.advance(20_000);
    const stream = await watch(token);
    server.clock.advance(1000);
    await server.tokens.login('before');
    await stream.until(/LOGIN.*before/);
    const [{ messageId }] = stream.changes as [{ messageId: string }];
    stream.close();
    return { token, messageId };
  };

  it('has names that are asked for once, whoever watches, and addresses for those who may see them', async () => {
    const [seeing, blind] = [await server.operator('view', 'viewAddresses'), await server.operator('view')];
    server.clock.advance(20_000);
    const watchers = [await watch(seeing), await watch(seeing), await watch(blind)];
    server.clock.advance(1000);
    const names = Array.from({ length: 40 }, (_, index) => `user-${index}`);
    for (const name of names) await server.tokens.login(name, { ip: '203.0.113.77' });
    await Promise.all(watchers.map((watcher) => watcher.until(/LOGIN.*user-39/)));
    expect(asked.flat().sort()).toEqual([...names].sort());
    // Two, if they logged in around a look.
    expect(asked.length).toBeLessThanOrEqual(2);
    for (const [index, { changes }] of watchers.entries()) {
      const ip = index === 2 ? null : '203.0.113.77';
      expect(changes).toEqual(
        names.map((userId) => expect.objectContaining({ userId, username: `Name of ${userId}`, ip }) as unknown),
      );
    }
  });

  it('begins after the last message that a client has had, in order and nothing twice', async () => {
    const { token, messageId } = await watchOneLogin();
    const { session } = await server.tokens.login('meanwhile');
    server.clock.advance(1000);
    await server.operators.kick(session.id, { by: 'root' });
    const resumed = await watch(token, messageId);
    await resumed.until(/SESSION_ENDED.*meanwhile/);
    server.clock.advance(1000);
    await server.tokens.login('after');
    await resumed.until(/LOGIN.*after/);
    expect(resumed.changes.map(({ type, userId }) => [type, userId])).toEqual([
      ['LOGIN', 'meanwhile'],
      ['SESSION_ENDED', 'meanwhile'],
      ['LOGIN', 'after'],
    ]);
    expect(resumed.changes.every(({ messageId, id }) => (messageId as string).startsWith(id as string))).toBe(true);
    // The names of what was missed, too, are asked for at once.
    expect(asked.slice(0, 2)).toEqual([['before'], ['meanwhile']]);
  });

  it('misses nothing that is committed late, though nobody watched in between', async () => {
    const { token, messageId } = await watchOneLogin();
    server.clock.advance(2000);
    const resumed = await watch(token, messageId);
    await server.tokens.login('seen');
    await resumed.until(/LOGIN.*seen/);
    // As the time of a transaction that was under way when the watcher came.
    server.clock.advance(-1000);
    await server.tokens.login('late');
    await resumed.until(/LOGIN.*late/);
    server.clock.advance(1000);
    await server.tokens.login('after');
    await resumed.until(/LOGIN.*after/);
    expect(resumed.changes.map(({ userId }) => userId)).toEqual(['seen', 'late', 'after']);
  });

  it('says only that much was missed, where it was', async () => {
    const { token, messageId } = await watchOneLogin();
    for (let index = 0; index < 201; index++) await server.tokens.login(`user-${index}`);
    server.clock.advance(20_000);
    const resumed = await watch(token, messageId);
    await resumed.until(/event: overflow\nid: /);
    expect(resumed.changes).toEqual([]);
  });

  it('keeps nothing for a reader that does not read, tells it that it missed something, and cuts it off in the end', async () => {
    const { news, tasks } = server.app.get(LiveFeed, { strict: false }) as unknown as {
      news: Subject<object>;
      tasks: readonly PeriodicTask[];
    };
    const request = once(server.app.getHttpServer() as Server, 'request');
    const stream = await watch(await server.operator('view'));
    const [, response] = (await request) as [unknown, ServerResponse];
    // Beats come when this test says so, however long it takes.
    await Promise.all(tasks.map((task) => task.stop()));
    const nextTurn = () => new Promise((resolve) => setImmediate(resolve));
    const pump = async () => {
      for (let turn = 0; turn < 1000; turn++) {
        news.next({ kind: 'online', summary: { text: 'x'.repeat(100_000) + turn } });
        await nextTurn();
      }
      expect(response.writableNeedDrain).toBe(true);
    };
    const isCutOffByBeat = async () => {
      news.next({ kind: 'beat' });
      await nextTurn();
      return response.destroyed;
    };
    const before = heapInUse() + process.memoryUsage().external;
    await pump();
    expect(heapInUse() + process.memoryUsage().external - before).toBeLessThan(50e6);
    expect(await isCutOffByBeat()).toBe(false);
    // It reads again.
    const asking = setInterval(() => news.next({ kind: 'online', summary: {} }), 10);
    await stream.until(/event: overflow/).finally(() => clearInterval(asking));
    await pump();
    expect([await isCutOffByBeat(), await isCutOffByBeat()]).toEqual([false, true]);
    await expect(stream.end()).rejects.toThrow(/aborted/);
  });

  it('A13: refuses an id that it has not given out', async () => {
    const { token, messageId } = await watchOneLogin();
    const [event] = (await server.get(token, '/events?type=LOGIN')).json.items as [{ id: string; sessionId: string }];
    const bad = [
      "' OR 1=1 --",
      'x',
      event.id,
      event.sessionId,
      messageId.slice(1),
      messageId.slice(0, -1),
      `${messageId}0`,
    ];
    for (const id of [...bad, messageId.replace(/^./, (digit) => (digit === '0' ? '1' : '0'))]) {
      const answer = await server.sendWith(token, { path: '/admin/live', lines: [`Last-Event-ID: ${id}`] });
      expect(answer).toMatchObject({ status: 400, json: { errorCode: 'CURSOR_INVALID' } });
    }
    server.clock.advance(20_000);
    const stream = await watch(token, '0');
    server.clock.advance(1000);
    await server.tokens.login('after');
    await stream.until(/LOGIN.*after/);
    expect(stream.changes).toHaveLength(1);
  });
});
