import { type Server, type ServerResponse, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from '@jest/globals';
import { type StreamableFile } from '@nestjs/common';
import { type SessionModuleOptions, TokenService } from 'nestjs-latchkey';
import { BulkKick, type KickOrder, type KickProgress } from '../../lib/admin/bulk-kick.js';
import { KickController } from '../../lib/admin/kick.controller.js';
import { OnlineQueries } from '../../lib/database/online-queries.js';
import { OperatorAudit } from '../../lib/database/operator-audit.js';
import type { SqliteConnection } from '../../lib/database/sqlite-engine.js';
import { adapters } from '../nest/http-app.js';
import { createSqlite, libsql } from '../support/databases.js';
import { until } from '../support/until.js';
import { type AdminApp, linesOf, startAdminApp } from './admin-app.js';

/** One more than a step ends. */
const SESSIONS = 201;

let server: AdminApp;

afterEach(() => server.close());

async function start(
  session: Partial<SessionModuleOptions> = {},
  kind = adapters[0]!,
  count = SESSIONS,
): Promise<void> {
  server = await startAdminApp(kind, {}, session);
  for (let index = 0; index < count; index++) await server.tokens.login(`user-${index}`, { deviceType: 'bulk' });
}

const auditOf = async () => {
  const token = await server.operator('view');
  return (await server.get(token, '/events?type=BULK_KICK')).json.items as readonly Record<string, unknown>[];
};

describe('a kick of many', () => {
  it('stops at once for an error that will not pass, and says how far it came', async () => {
    await start();
    const get = <T>(type: new (...parts: never[]) => T) => server.app.get<T>(type, { strict: false });
    const tokens = get(TokenService);
    let calls = 0;
    const failing = Object.create(tokens, {
      kickSessions: {
        value: async (...call: Parameters<TokenService['kickSessions']>) => {
          if (++calls > 1) throw new TypeError('A mistake of ours');
          return tokens.kickSessions(...call);
        },
      },
    }) as TokenService;
    const kick = new KickController(new BulkKick(get(OnlineQueries), failing, get(OperatorAudit)));
    const { session } = await tokens.login('operator');
    const operator = { userId: 'operator', claims: {}, session, rights: new Set(['view', 'kick'] as const) };
    const answer = (await kick.kick({ filter: { deviceType: 'bulk' } }, operator)) as StreamableFile;
    expect(linesOf(await text(answer.getStream()))).toEqual([
      { matching: 201 },
      { done: 200, ended: 200, pending: 0 },
      { done: 200, ended: 200, pending: 0, error: 'The work was stopped by an error.', finished: true },
    ]);
    expect(calls).toBe(2);
    expect((await auditOf())[0]).toMatchObject({ ended: 200, detail: { state: 'stopped', done: 200 } });
  });

  it('is refused with a reason that no session can end with, before anything is written', async () => {
    await start();
    const token = await server.operator('view', 'kick');
    const order = { filter: { deviceType: 'bulk' }, reason: 'Two\nlines' };
    expect(await server.post(token, '/kick', order)).toMatchObject({
      status: 400,
      json: { errorCode: 'ARGUMENT_INVALID' },
    });
    expect(await auditOf()).toEqual([]);
  });

  it.each(adapters)('goes on to its end when the client is gone, on $name', async (kind) => {
    await start({}, kind, 800);
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
    client.on('error', () => undefined).on('response', (answer) => answer.once('data', () => client.destroy()));
    client.end(JSON.stringify({ filter: { deviceType: 'bulk' } }));
    await isGone;
    expect(await server.tokens.listSessions('user-0')).toHaveLength(1);
    await until(async () => (await auditOf())[0]!.ended !== null);
    expect((await auditOf())[0]).toMatchObject({ ended: 800, detail: { state: 'done', done: 800 } });
    expect(await server.tokens.listSessions('user-0')).toEqual([]);
  });

  it('tries again while the database cannot be reached', async () => {
    const database = await createSqlite();
    await start({ database: database.options, timing: { endBudget: '300ms' } });
    const locker = new (libsql as new (file: string) => SqliteConnection & { close(): void })(
      database.options.database as string,
    );
    const steps: KickProgress[] = [];
    const order: KickOrder = { selection: { filter: { deviceType: 'bulk' } }, by: 'operator', except: '' };
    const { finished } = await server.app.get(BulkKick, { strict: false }).begin(order, (progress) => {
      if (steps.push(progress) === 1) locker.exec('BEGIN IMMEDIATE');
    });
    let refused = 0;
    // By the second time, the next step of the work has been refused as well.
    while (refused < 2) {
      if (steps.length === 0) await new Promise(setImmediate);
      else await server.tokens.kickSession('0'.repeat(32), { by: 'operator' }).catch(() => refused++);
    }
    locker.exec('ROLLBACK');
    expect(await finished).toEqual({ done: 201, ended: 201, pending: 0 });
    expect(steps).toHaveLength(2);
    locker.close();
    await server.close();
    await database.drop();
  });
});
