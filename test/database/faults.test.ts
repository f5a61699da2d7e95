import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { DataSource, type DataSourceOptions } from 'typeorm';
import type { LoginResult } from 'nestjs-latchkey';
import { accountRef } from 'lib/user-key.js';
import { SessionRuntime } from 'lib/session-runtime.js';
import { startMariadb } from '../../tools/servers/mariadb.mjs';
import { startPostgres } from '../../tools/servers/postgres.mjs';
import { type Sessions, startSessions } from '../support/sessions.js';
import { until } from '../support/until.js';

const BUDGETS = { verifyBudget: '500ms', loginBudget: '1s', endBudget: '1s' } as const;
/** What a busy machine may add to any answer. */
const SLACK_MS = 2000;

const servers = [
  { name: 'PostgreSQL', start: startPostgres, type: 'postgres' },
  { name: 'MariaDB', start: startMariadb, type: 'mariadb' },
] as const;

const timed = async <T>(work: Promise<T>) => {
  const startedAt = performance.now();
  const value = await work;
  return { value, ms: performance.now() - startedAt };
};

describe.each(servers)('with a $name of its own', ({ start, type }) => {
  let server: Awaited<ReturnType<typeof start>>;
  let options: DataSourceOptions;
  const opened: Sessions[] = [];
  const open = async (more: Parameters<typeof startSessions>[0] = {}) => {
    const node = await startSessions({ database: options, timing: BUDGETS, ...more });
    opened.push(node);
    return node;
  };
  const hang = () => signal(server.pid, 'SIGSTOP');
  const goOn = () => process.kill(server.pid, 'SIGCONT');

  beforeAll(async () => {
    server = await start();
    options = { type, url: server.url } as DataSourceOptions;
  });

  afterAll(async () => {
    await Promise.all(opened.map((node) => node.close()));
    await server.stop();
  });

  it('A36, G4, G10: hung: every answer is inside its budget, none is a no, and all is well again afterwards', async () => {
    const node = await open({ nearCache: false });
    const { tokens, sessions, operators } = node;
    const logins: LoginResult[] = [];
    for (let index = 0; index < 50; index++) logins.push(await insist(() => tokens.login(`user-${index}`)));
    const hundreds = Array.from({ length: 1000 }, (_, index) => logins[index % 50]!.accessToken);
    // PostgreSQL answers each connection from a process of its own, so the connections are what must hang.
    await stopBackends(server.pid, 'SIGSTOP');
    await hang();
    const heapBefore = process.memoryUsage().heapUsed;
    try {
      const [answers, login, kick, list] = await Promise.all([
        timed(Promise.all(hundreds.map((token) => tokens.verify(token)))),
        timed(tokens.login('user-1').catch((error: { code: string }) => error.code)),
        timed(operators.kickUser('user-2', { by: 'root' }).catch((error: { code: string }) => error.code)),
        timed(sessions.list('user-3').catch((error: { code: string }) => error.code)),
      ]);
      expect(new Set(answers.value.map(({ status }) => status))).toEqual(new Set(['UNKNOWN']));
      expect([login.value, kick.value, list.value]).toEqual(Array(3).fill('SESSION_STORE_UNAVAILABLE'));
      expect(answers.ms).toBeLessThan(500 + SLACK_MS);
      for (const { ms } of [login, kick, list]) expect(ms).toBeLessThan(1000 + SLACK_MS);
      // The whole outage, not one burst: nothing piles up.
      for (let burst = 0; burst < 5; burst++) await Promise.all(hundreds.map((token) => tokens.verify(token)));
      expect(process.memoryUsage().heapUsed - heapBefore).toBeLessThan(150e6);
      // Uses that cannot be written are dropped at once, or a shutdown would wait for each batch of them.
      const { activity } = node.context.get(SessionRuntime, { strict: false });
      for (let index = 0; index < 5000; index++)
        activity.record(index.toString(16).padStart(32, '0'), Date.now(), null);
      const flush = await timed(activity.flush());
      expect([activity.dropped, flush.ms < 1000 + SLACK_MS]).toEqual([5000, true]);
      // What needs no database is still known: forged tokens are refused.
      expect(await tokens.verify(`${logins[0]!.accessToken.slice(0, -1)}.`)).toMatchObject({ status: 'INVALID' });
    } finally {
      goOn();
      await stopBackends(server.pid, 'SIGCONT');
    }
    for (const { accessToken } of logins.slice(10)) {
      await until(async () => (await tokens.verify(accessToken)).status === 'VALID');
    }
    // The interrupted login and kick happened as a whole or not at all; repeating them is fine.
    await insist(() => operators.kickUser('user-2', { by: 'root' }));
    expect((await insist(() => tokens.login('user-1'))).accessToken).toBeDefined();
    expect(await insist(() => sessions.list('user-1'))).toHaveLength(1);
    expect(await insist(() => sessions.list('user-2'))).toHaveLength(0);
  });

  it('hung: a lone node answers from memory for the outage grace, and then says that it does not know', async () => {
    const node = await open({
      realm: 'graceful',
      timing: { ...BUDGETS, poll: '200ms', pollFreshness: '600ms', outageGrace: '3s' },
    });
    const { tokens } = node;
    const { coherence } = node.context.get(SessionRuntime, { strict: false });
    const { accessToken } = await insist(() => tokens.login('alice'));
    const { accessToken: uncached } = await insist(() => tokens.login('bob'));
    await until(() => coherence.caching);
    expect((await tokens.verify(accessToken)).status).toBe('VALID');
    await stopBackends(server.pid, 'SIGSTOP');
    await hang();
    const startedAt = performance.now();
    try {
      expect((await tokens.verify(uncached)).status).toBe('UNKNOWN');
      // Beyond the freshness of a poll, and within the grace: the outage is noticed, and memory answers.
      await until(() => performance.now() - startedAt > 1500);
      expect((await tokens.verify(accessToken)).status).toBe('VALID');
      await until(async () => (await tokens.verify(accessToken)).status === 'UNKNOWN');
      expect(performance.now() - startedAt).toBeLessThan(3000 + SLACK_MS);
    } finally {
      goOn();
      await stopBackends(server.pid, 'SIGCONT');
    }
    await until(async () => (await tokens.verify(accessToken)).status === 'VALID');
  });

  it('held by a lock of somebody else: logins of that account are refused in time, all else goes on', async () => {
    const { tokens, sessions } = await open({ realm: 'locked', nearCache: false });
    const { accessToken } = await insist(() => tokens.login('alice'));
    const other = await new DataSource(options).initialize();
    const key = accountRef('locked', 'alice').key;
    const runner = other.createQueryRunner();
    await runner.startTransaction();
    await runner.query(`SELECT epoch FROM latchkey_account WHERE user_key = '${key}' FOR UPDATE`);
    const logins = await Promise.all(
      Array.from({ length: 20 }, () => timed(tokens.login('alice').catch((error: { code: string }) => error.code))),
    );
    expect(new Set(logins.map(({ value }) => value))).toEqual(new Set(['SESSION_STORE_UNAVAILABLE']));
    expect(Math.max(...logins.map(({ ms }) => ms))).toBeLessThan(1000 + SLACK_MS);
    await until(async () => (await tokens.verify(accessToken)).status === 'VALID');
    expect((await insist(() => tokens.login('bob'))).accessToken).toBeDefined();
    await runner.rollbackTransaction();
    await other.destroy();
    // Nobody is left holding a lock, though clients went away while they waited for one.
    await insist(() => tokens.login('alice'));
    expect(await insist(() => sessions.list('alice'))).toHaveLength(1);
  });

  it('knows on every connection when to give up on a lock or a statement', async () => {
    const node = await open({ realm: 'limits' });
    const { dataSource } = engineOf(node) as unknown as { dataSource: DataSource };
    const setting = type === 'postgres' ? 'lock_timeout' : 'innodb_lock_wait_timeout';
    const ask = type === 'postgres' ? `SHOW ${setting}` : `SELECT @@${setting} AS ${setting}`;
    const pause = type === 'postgres' ? 'SELECT pg_sleep(0.2)' : 'SELECT SLEEP(0.2)';
    // At once, so that each is asked of a connection of its own.
    const answers = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const runner = dataSource.createQueryRunner();
        await runner.query(pause);
        const [row] = (await runner.query(ask)) as Record<string, unknown>[];
        await runner.release();
        return row![setting];
      }),
    );
    expect(new Set(answers.map(String))).toEqual(new Set([type === 'postgres' ? '2s' : '2']));
  });

  it('that drops every connection: the next requests open new ones', async () => {
    const { tokens } = await open({ realm: 'dropped', nearCache: false });
    const { accessToken } = await insist(() => tokens.login('alice'));
    const other = await new DataSource(options).initialize();
    if (type === 'postgres') {
      await other.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()');
    } else {
      const list = (await other.query('SHOW PROCESSLIST')) as { Id: number; Info: string | null }[];
      for (const { Id, Info } of list) if (Info === null) await other.query(`KILL ${Id}`).catch(() => undefined);
    }
    await other.destroy();
    await until(async () => (await tokens.verify(accessToken)).status === 'VALID');
    expect((await insist(() => tokens.login('alice'))).ended).toHaveLength(1);
  });

  it('A4, A21: a flood of well-formed forged tokens costs no query', async () => {
    const node = await open({ realm: 'forged', nearCache: false });
    const foreign = await open({ realm: 'other', nearCache: false });
    const { accessToken } = await insist(() => foreign.tokens.login('mallory'));
    const queries = countQueries(node);
    for (let index = 0; index < 1000; index++) {
      const forged = accessToken.slice(0, 20) + index.toString(36).padStart(4, 'A') + accessToken.slice(24);
      expect((await node.tokens.verify(forged)).status).toBe('INVALID');
    }
    expect(queries()).toBe(0);
    // The count counts: a good token costs one.
    const good = await insist(() => node.tokens.login('alice'));
    await node.tokens.verify(good.accessToken);
    expect(queries()).toBe(1);
  });

  it('1,000 parallel verifies while 50 logins of one account queue all answer inside the budget', async () => {
    // Long enough for a machine that is slow and busy.
    const [verifyMs, loginMs] = [3000, 20_000];
    const timing = { verifyBudget: `${verifyMs}ms`, loginBudget: `${loginMs}ms` } as const;
    const { tokens, sessions } = await open({ realm: 'queue', nearCache: false, timing });
    const logins = [];
    for (let batch = 0; batch < 100; batch++) {
      logins.push(
        ...(await Promise.all(Array.from({ length: 10 }, (_, index) => tokens.login(`u-${batch}-${index}`)))),
      );
    }
    const queue = Promise.all(Array.from({ length: 50 }, () => timed(tokens.login('busy'))));
    const answers = await Promise.all(logins.map(({ accessToken }) => timed(tokens.verify(accessToken))));
    expect(new Set(answers.map(({ value }) => value.status))).toEqual(new Set(['VALID']));
    expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(verifyMs);
    expect(Math.max(...(await queue).map(({ ms }) => ms))).toBeLessThan(loginMs);
    expect(await sessions.list('busy')).toHaveLength(1);
  });
});

/** Repeats what a busy machine did not do inside the short budgets of these tests; fails after a minute. */
async function insist<T>(call: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if ((error as { code?: string }).code !== 'SESSION_STORE_UNAVAILABLE' || performance.now() > deadline)
        throw error;
    }
  }
}

function engineOf(node: Sessions): { read(...args: unknown[]): unknown } {
  const runtime = node.context.get(SessionRuntime, { strict: false }) as unknown as {
    database: { engine: { read(...args: unknown[]): unknown } };
  };
  return runtime.database.engine;
}

/** Counts the reads of sessions from here on. */
function countQueries(node: Sessions): () => number {
  const spy = jest.spyOn(engineOf(node), 'read');
  return () => spy.mock.calls.filter(([, options]) => (options as { lane: string }).lane === 'verify').length;
}

/** Sends a signal to the processes that a server has for its connections; MariaDB has threads instead. */
async function stopBackends(pid: number, name: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
  const { readdirSync, readFileSync } = await import('node:fs');
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      if (parent === pid) await signal(Number(entry), name);
    } catch {
      // The process ended while we looked.
    }
  }
}

/** Sends a signal to a process. One that is to stop has stopped afterwards, with all of its threads. */
async function signal(pid: number, name: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
  process.kill(pid, name);
  if (name === 'SIGCONT') return;
  const { readdirSync, readFileSync } = await import('node:fs');
  const stateOf = (thread: string) => {
    try {
      const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
      return stat.slice(stat.lastIndexOf(')') + 2)[0]!;
    } catch {
      return 'X';
    }
  };
  await until(() => readdirSync(`/proc/${pid}/task`).every((thread) => 'TtZX'.includes(stateOf(thread))));
}
