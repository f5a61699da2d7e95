import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AsyncResource } from 'node:async_hooks';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { singleDevice } from 'nestjs-latchkey';
import { DataSource, type EntityManager } from 'typeorm';
import { type TestDatabase, createSqlite } from '../support/databases.js';
import { type LoginOutcome, type VerifyOutcome, startNodes } from '../support/nodes.js';
import { type Services, type Sessions, startSessions } from '../support/sessions.js';
import { until } from '../support/until.js';

// In memory where there is such a place: the event loop is to be measured, not the disk.
const place = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** Longest standstill of the event loop while a queue is worked off, as a share of the time which that takes. */
const MOST_OF_QUEUE = 0.25;

/** Measures, in a thread that does nothing else, for how long the machine lets a thread wait. Milliseconds. */
async function measureMachine<T>(work: () => Promise<T>): Promise<number> {
  const worker = new Worker(
    `const { parentPort } = require('node:worker_threads');
     const delay = require('node:perf_hooks').monitorEventLoopDelay({ resolution: 1 });
     delay.enable();
     parentPort.once('message', () => { delay.disable(); parentPort.postMessage(delay.max / 1e6); });`,
    { eval: true },
  );
  await new Promise((resolve) => worker.once('online', resolve));
  await work();
  const longest = new Promise<number>((resolve) => worker.once('message', resolve));
  worker.postMessage('stop');
  try {
    return await longest;
  } finally {
    await worker.terminate();
  }
}

describe('an application that shares its SQLite file with the library', () => {
  let database: TestDatabase;
  let application: DataSource;
  let node: Sessions;

  beforeEach(async () => {
    database = await createSqlite(place);
    application = await new DataSource(database.options).initialize();
    await application.query('CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL)');
    node = await startSessions({ database: application, policy: singleDevice(), timing: { loginBudget: '30s' } });
  });

  afterEach(async () => {
    await node.close();
    await application.destroy();
    await database.drop();
  });

  /** Lets other work happen in the middle of a transaction. */
  const breathe = () => new Promise((resolve) => setImmediate(resolve));

  it('loses nothing, whatever either side commits or rolls back, and the event loop never stands still', async () => {
    const kept: string[] = [];
    const failed: unknown[] = [];
    let done = false;
    const applicationWork = async () => {
      for (let turn = 0; !done; turn++) {
        try {
          await application.transaction(async (manager) => {
            // Reads first and writes later: the kind that SQLite fails if anybody writes in between.
            const [{ count }] = (await manager.query('SELECT COUNT(*) AS count FROM note')) as [{ count: number }];
            await breathe();
            await manager.query('INSERT INTO note (text) VALUES (?)', [`note ${turn} after ${count}`]);
            await breathe();
            if (turn % 2 === 1) throw new Error('roll back');
          });
          kept.push(`note ${turn}`);
        } catch (error) {
          if ((error as Error).message !== 'roll back') failed.push(error);
        }
        await breathe();
      }
    };

    const running = applicationWork();
    const logins: { user: string; token: string }[] = [];
    const login = async (user: string) => {
      const { accessToken } = await node.tokens.login(user);
      logins.push({ user, token: accessToken });
    };
    let queueMs = NaN;
    const load = async () => {
      for (let round = 0; round < 40 || (kept.length < 60 && round < 4000); round++) {
        await Promise.all(Array.from({ length: 5 }, (_, index) => login(`user-${(round * 5 + index) % 50}`)));
        await Promise.all(logins.slice(-5).map(({ token }) => node.tokens.verify(token)));
      }
      // A queue of logins for one account, and of lookups, at once.
      const began = performance.now();
      await Promise.all(Array.from({ length: 200 }, () => login('user-0')));
      await Promise.all(logins.slice(-400).map(({ token }) => node.tokens.verify(token)));
      queueMs = performance.now() - began;
    };
    // A busy machine stops any thread for a while; only what this one waited beyond that is its own doing, and chance
    // does not hit it every time, as work that holds up the loop does.
    let standstill = Infinity;
    for (let attempt = 0; attempt < 5 && standstill >= MOST_OF_QUEUE; attempt++) {
      const delay = monitorEventLoopDelay({ resolution: 1 });
      delay.enable();
      const machineMs = await measureMachine(load);
      delay.disable();
      standstill = (delay.max / 1e6 - machineMs) / queueMs;
    }
    done = true;
    await running;
    expect(kept.length).toBeGreaterThanOrEqual(60);

    expect(failed).toEqual([]);
    const notes = (await application.query('SELECT text FROM note ORDER BY id')) as { text: string }[];
    expect(notes.map(({ text }) => text.replace(/ after.*/, ''))).toEqual(kept);
    for (let index = 0; index < 50; index++) {
      const own = logins.filter(({ user }) => user === `user-${index}`);
      const statuses: string[] = [];
      // Some at a time: on a slow machine there may be more than can be answered within one budget.
      for (let from = 0; from < own.length; from += 100) {
        const answers = await Promise.all(own.slice(from, from + 100).map(({ token }) => node.tokens.verify(token)));
        statuses.push(...answers.map(({ status }) => status));
      }
      expect(statuses).toEqual([...own.slice(1).map(() => 'INVALID'), 'VALID']);
    }
    expect(standstill).toBeLessThan(MOST_OF_QUEUE);
  });

  it('keeps what the library committed while its own transaction was open and then rolled back', async () => {
    const [{ accessToken }] = await Promise.all([
      node.tokens.login('alice'),
      application
        .transaction(async (manager) => {
          await manager.query("INSERT INTO note (text) VALUES ('never')");
          for (let turn = 0; turn < 20; turn++) await breathe();
          throw new Error('roll back');
        })
        .catch(() => undefined),
    ]);
    expect((await node.tokens.verify(accessToken)).status).toBe('VALID');
    expect(await application.query('SELECT * FROM note')).toEqual([]);
  });

  it('delays a login while it holds the file, and refuses it when it holds it for too long', async () => {
    await node.close();
    node = await startSessions({ database: application, timing: { loginBudget: '300ms' } });
    const request = new AsyncResource('another request');
    const login = () => request.runInAsyncScope(() => node.tokens.login('alice'));
    const runner = application.createQueryRunner();
    await runner.startTransaction();
    await runner.query("INSERT INTO note (text) VALUES ('held')");
    const startedAt = performance.now();
    await expect(login()).rejects.toMatchObject({ code: 'SESSION_STORE_UNAVAILABLE' });
    // The driver would have waited for five seconds, and everything else in the process with it.
    expect(performance.now() - startedAt).toBeLessThan(3000);
    const waiting = login();
    await breathe();
    await runner.commitTransaction();
    const { accessToken } = await waiting;
    expect((await node.tokens.verify(accessToken)).status).toBe('VALID');
    expect(await application.query('SELECT text FROM note')).toEqual([{ text: 'held' }]);
  });

  describe('inside its own transaction', () => {
    const refused = { code: 'INSIDE_TRANSACTION', message: expect.stringContaining('Commit first') as unknown };
    const begin = async (work: (manager: EntityManager) => Promise<void>) => {
      await application.transaction(async (manager) => {
        await manager.query("INSERT INTO note (text) VALUES ('kept')");
        await work(manager);
      });
      expect(await application.query('SELECT text FROM note')).toEqual([{ text: 'kept' }]);
    };

    it.each<[name: string, call: (services: Services, sessionId: string) => Promise<unknown>]>([
      ['login', ({ tokens }) => tokens.login('bob')],
      ['revokeSessions', ({ tokens }) => tokens.revokeSessions('alice', { by: 'alice' })],
      ['kick', ({ operators }, id) => operators.kick(id, { by: 'root' })],
      ['kickUser', ({ operators }) => operators.kickUser('alice', { by: 'root' })],
      ['ban', ({ operators }) => operators.ban('alice', { by: 'root' })],
      ['session data', ({ sessions }, id) => sessions.data(id).set('draft', 1)],
      ['account data', ({ sessions }) => sessions.accountData('alice').set('draft', 1)],
    ])('is refused %s at once, and its transaction goes on', async (_name, call) => {
      const { session } = await node.tokens.login('alice');
      await begin(async () => {
        await expect(call(node, session.id)).rejects.toMatchObject(refused);
      });
      await call(node, session.id);
    });

    it('is refused one in a savepoint, after others, and with a query runner of its own', async () => {
      await application.transaction(async () => undefined);
      await begin(async (manager) => {
        await manager.transaction(async () => undefined);
        await expect(node.tokens.login('alice')).rejects.toMatchObject(refused);
      });
      const runner = application.createQueryRunner();
      await runner.startTransaction();
      await expect(node.tokens.login('alice')).rejects.toMatchObject(refused);
      await runner.rollbackTransaction();
      await node.tokens.login('alice');
    });

    it('is refused one soon where a helper has begun it, which awaited before', async () => {
      class UnitOfWork {
        readonly runner = application.createQueryRunner();
        async begin() {
          await this.runner.connect();
          await breathe();
          await this.runner.startTransaction();
          await this.runner.query("INSERT INTO note (text) VALUES ('kept')");
        }
      }
      for (const queries of [0, 1]) {
        const unit = new UnitOfWork();
        await unit.begin();
        for (let query = 0; query < queries; query++) await application.query('SELECT 1');
        const startedAt = performance.now();
        await expect(node.tokens.login('alice')).rejects.toMatchObject(refused);
        // The budget of a login is 30 s here.
        expect(performance.now() - startedAt).toBeLessThan(10_000);
        await unit.runner.rollbackTransaction();
        await node.tokens.login('alice');
      }
    });

    it('is refused one that no context tells when its time is up, and the log can say why', async () => {
      await node.close();
      node = await startSessions({ database: application, timing: { loginBudget: '300ms' } });
      const runner = application.createQueryRunner();
      await runner.query('BEGIN IMMEDIATE');
      await expect(node.tokens.login('alice')).rejects.toMatchObject({
        code: 'SESSION_STORE_UNAVAILABLE',
        cause: { message: expect.stringContaining('behind its COMMIT') as unknown },
      });
      await runner.query('ROLLBACK');
      await node.tokens.login('alice');
    });

    it('reads as before, and another request waits, also one that has had a transaction itself', async () => {
      const { accessToken } = await node.tokens.login('alice');
      let open!: () => void;
      const opened = new Promise<void>((resolve) => (open = resolve));
      const other = (async () => {
        await application.transaction(async () => undefined);
        await opened;
        return node.tokens.login('bob');
      })();
      let isDone = false;
      await until(() => application.createQueryRunner().isTransactionActive === false);
      await begin(async () => {
        open();
        expect((await node.tokens.verify(accessToken)).status).toBe('VALID');
        void other.then(() => (isDone = true));
        for (let turn = 0; turn < 20; turn++) await breathe();
        expect(isDone).toBe(false);
      });
      expect((await other).session.userId).toBe('bob');
    });

    it('is not where its caller does something else beside it', async () => {
      const transaction = begin(async () => {
        for (let turn = 0; turn < 20; turn++) await breathe();
      });
      const [login] = await Promise.all([node.tokens.login('alice'), transaction]);
      expect(login.session.userId).toBe('alice');
    });
  });

  it('may be one of several processes: logins stay exact, and none fails', async () => {
    const nodes = await startNodes(3, { database: database.options, policy: { name: 'singleDevice' } });
    try {
      for (let round = 0; round < 5; round++) {
        const user = `shared-${round}`;
        const outcomes = await Promise.all(
          nodes.map((node) =>
            node.run(Array.from({ length: 10 }, () => ['login', user, {}] as const).map((call) => [...call])),
          ),
        );
        const logins = outcomes.flat() as LoginOutcome[];
        expect(logins.filter(({ error }) => error)).toEqual([]);
        const verified = (await nodes[round % 3]!.run(
          logins.map(({ value }) => ['verify', value!.accessToken]),
        )) as VerifyOutcome[];
        expect(verified.filter(({ value }) => value?.status === 'VALID')).toHaveLength(1);
        expect(await node.sessions.list(user)).toHaveLength(1);
      }
    } finally {
      await Promise.all(nodes.map((node) => node.close()));
    }
  });
});
