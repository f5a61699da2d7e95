import { type Server, type ServerResponse, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type StreamableFile } from '@nestjs/common';
import type { OperatorService, SessionModuleOptions } from 'nestjs-latchkey';
import { BulkKick, type KickOrder, type KickProgress } from 'lib/bulk-kick.js';
import { KickController } from 'lib/online.controller.js';
import { OnlineQueries } from 'lib/online-queries.js';
import { OperatorAudit } from 'lib/audit.js';
import { SessionRuntime } from 'lib/session-runtime.js';
import type { SqliteConnection } from 'lib/sqlite-engine.js';
import { adapters } from '../nest/http-app.js';
import { type TestDatabase, createSqlite, libsql } from '../support/databases.js';
import { until } from '../support/until.js';
import { type AdminApp, linesOf, startAdminApp } from './admin-app.js';

/** One more than a step ends. */
const SESSIONS = 201;

let database: TestDatabase;
let server: AdminApp;
/** A connection of somebody else, who may keep the database to themselves. */
let other: SqliteConnection & { close(): void };

beforeEach(async () => {
  database = await createSqlite();
  other = new (libsql as new (file: unknown) => typeof other)(database.options.database);
});

afterEach(async () => {
  other.close();
  await server.close();
  await database.drop();
});

async function start(session: Partial<SessionModuleOptions> = {}, kind = adapters[0]!): Promise<void> {
  server = await startAdminApp(kind, {}, { database: database.options, ...session });
  for (let index = 0; index < SESSIONS; index++) await server.tokens.login(`user-${index}`, { deviceType: 'bulk' });
}

const UNCHANGED = { judgeAgain: () => Promise.reject(new Error('Not asked.')), stillAllowed: () => Promise.resolve() };

const auditOf = async () => {
  const token = await server.operator('view');
  return (await server.get(token, '/events?type=BULK_KICK')).json.items as readonly Record<string, unknown>[];
};

describe('a kick of many', () => {
  it('stops at once for an error that will not pass, and says how far it came', async () => {
    await start();
    const get = <T>(type: new (...parts: never[]) => T) => server.app.get<T>(type, { strict: false });
    const runtime = server.app.get(SessionRuntime, { strict: false });
    let calls = 0;
    const failing = Object.create(server.operators, {
      kickMany: {
        value: async (...call: Parameters<OperatorService['kickMany']>) => {
          if (++calls > 1) throw new TypeError('A mistake of ours');
          return server.operators.kickMany(...call);
        },
      },
    }) as OperatorService;
    const kick = new KickController(new BulkKick(get(OnlineQueries), failing, get(OperatorAudit), runtime));
    const { session } = await server.tokens.login('operator');
    const operator = {
      userId: 'operator',
      claims: {},
      session,
      rights: new Set(['view', 'kick'] as const),
      ...UNCHANGED,
    };
    const answer = (await kick.kick(
      { selection: { filter: { deviceType: 'bulk' } }, comment: undefined, dryRun: false, pace: 'gentle' },
      operator,
    )) as StreamableFile;
    expect(linesOf(await text(answer.getStream()))).toEqual([
      { matching: 201 },
      { done: 10, ended: 10, pending: 0 },
      { done: 10, ended: 10, pending: 0, error: 'The work was stopped by an error.', finished: true },
    ]);
    expect(calls).toBe(2);
    expect((await auditOf())[0]).toMatchObject({ ended: 10, detail: { state: 'stopped', done: 10 } });
  });

  it('is refused with a comment that no end can have, before anything is written', async () => {
    await start();
    const token = await server.operator('view', 'kick');
    const order = { filter: { deviceType: 'bulk' }, reason: 'Two\nlines' };
    expect(await server.post(token, '/kick', order)).toMatchObject({
      status: 400,
      json: { errorCode: 'ARGUMENT_INVALID', message: expect.stringMatching(/^reason must/) },
    });
    expect(await auditOf()).toEqual([]);
  });

  it.each(adapters)('goes on to its end when the client is gone, on $name', async (kind) => {
    await start({}, kind);
    // The last one cannot be ended until the client is gone.
    other.exec(`CREATE TRIGGER gate BEFORE UPDATE OF status ON latchkey_session WHEN OLD.user_id = 'user-0'
      BEGIN SELECT RAISE(ABORT, 'The gate is closed.'); END`);
    const token = await server.operator('view', 'kick');
    const isGone = new Promise<void>((resolve) =>
      (server.app.getHttpServer() as Server).once('request', (_: unknown, response: ServerResponse) =>
        response.once('close', resolve),
      ),
    );
    const client = request({
      port: server.port,
      method: 'POST',
      path: '/admin/kick',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    });
    client.on('error', () => undefined);
    client.on('response', (answer) => answer.once('data', () => client.destroy()));
    client.end(JSON.stringify({ filter: { deviceType: 'bulk' } }));
    await isGone;
    expect(await server.sessions.list('user-0')).toHaveLength(1);
    other.exec('DROP TRIGGER gate');
    await until(async () => (await auditOf())[0]!.ended !== null);
    expect((await auditOf())[0]).toMatchObject({ ended: SESSIONS, detail: { state: 'done', done: SESSIONS } });
    expect(await server.sessions.list('user-0')).toEqual([]);
  });

  it('tries again while the database cannot be reached', async () => {
    await start({ timing: { endBudget: '300ms' } });
    const steps: KickProgress[] = [];
    const order: KickOrder = { selection: { filter: { deviceType: 'bulk' } }, by: 'operator', except: '' };
    const { finished } = await server.app.get(BulkKick, { strict: false }).begin(order, (progress) => {
      if (steps.push(progress) === 1) other.exec('BEGIN IMMEDIATE');
    });
    let refused = 0;
    // By the second time, the next step of the work has been refused as well.
    while (refused < 2) {
      if (steps.length === 0) await new Promise(setImmediate);
      else await server.operators.kick('0'.repeat(32), { by: 'operator' }).catch(() => refused++);
    }
    other.exec('ROLLBACK');
    expect(await finished).toEqual({ done: 201, ended: 201, pending: 0 });
    expect(steps).toHaveLength(21);
  });
});
