import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DataSource, type QueryRunner } from 'typeorm';
import { readOptions } from '../../tools/demo/options.mjs';
import { paysWithoutIndexes, withoutIndexes } from '../../tools/demo/without-indexes.mjs';
import { type TestDatabase, kindsOf } from '../support/databases.js';
import { LOAD, type SampleApp, useSampleApps } from './sample-app.js';

const HOUR_MS = 3_600_000;

interface Item {
  readonly sessionId: string;
  readonly userId: string;
  readonly username: string;
  readonly lastIp: string | null;
  readonly createdAt: string;
  readonly lastSeenAt: string;
  readonly expiresAt: string;
  readonly endReason: string;
  readonly endedAt: string;
  readonly replacedBy: { readonly sessionId: string } | null;
}

interface EventItem {
  readonly type: string;
  readonly at: string;
  readonly userId: string;
  readonly sessionId: string | null;
  readonly reason: string | null;
}

describe.each(kindsOf('sqlite', 'postgres', 'mariadb'))('npm run demo:load on $name', (kind) => {
  const apps = useSampleApps();
  let database: TestDatabase;
  let app: SampleApp;
  let token: string;
  const [sessions, ofEachReason] = kind.name === 'sqlite' ? [2000, 4] : [400, 1];
  const options = [`--sessions=${sessions}`, `--ended=${sessions / 2}`, `--users=${sessions / 4}`];

  beforeAll(async () => {
    database = await apps.database(kind);
    const first = await load([...options, `--database=${database.url}`]);
    expect(first).toMatchObject({ code: 0, stderr: '' });
    app = await apps.start({ DATABASE_URL: database.url });
    token = (await app.login('admin')).accessToken;
  });

  const walk = async <T>(path: string): Promise<T[]> => {
    const items: T[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const after: string = cursor && `&cursor=${encodeURIComponent(cursor)}`;
      const { status, body } = await app.get(`${path}limit=200${after}`, token);
      expect(status).toBe(200);
      items.push(...(body.items as T[]));
      cursor = body.nextCursor as string | null;
    }
    return items;
  };

  it('shows all of them online, as sessions that can be', async () => {
    const items = (await walk<Item>('/admin/online-users?')).filter(({ userId }) => userId !== 'admin');
    expect(items).toHaveLength(sessions);
    expect(new Set(items.map(({ userId }) => userId)).size).toBe(sessions / 4);
    const now = Date.now();
    for (const { username, userId, createdAt, lastSeenAt, expiresAt } of items) {
      expect(username).toBe(userId);
      expect(Date.parse(createdAt)).toBeLessThanOrEqual(Date.parse(lastSeenAt));
      expect(Date.parse(lastSeenAt)).toBeLessThanOrEqual(now);
      expect(Date.parse(expiresAt)).toBeGreaterThan(now);
    }
    const used = [...new Set(items.map(({ lastSeenAt }) => lastSeenAt))];
    expect(used.length).toBeGreaterThan(sessions * 0.9);
  });

  it('finds each as if it had logged in', async () => {
    const [some] = (await app.get('/admin/online-users?limit=1&q=olivia', token)).body.items as Item[];
    expect(some!.userId).toMatch(/^olivia\./);
    const own = await walk<Item>(`/admin/users/${some!.userId}/sessions?`);
    expect(own.map(({ sessionId }) => sessionId)).toContain(some!.sessionId);
    const used = (await walk<Item>('/admin/online-users?q=olivia&')).find(({ lastIp }) => lastIp !== null)!;
    const sightings = await walk<object>(`/admin/sightings?sessionId=${used.sessionId}&`);
    expect(sightings).toContainEqual(expect.objectContaining({ userId: used.userId, ip: used.lastIp }));
    expect(await app.delete(`/admin/sessions/${some!.sessionId}`, token)).toMatchObject({ body: { ended: 1 } });
  });

  it('has events of every session, and of every end with its reason', async () => {
    const events = await walk<EventItem>('/admin/events?');
    const logins = new Map(events.filter(({ type }) => type === 'LOGIN').map((event) => [event.sessionId, event]));
    const ends = new Map(
      events.filter(({ type }) => type === 'SESSION_ENDED').map((event) => [event.sessionId, event]),
    );
    expect(logins.size).toBe(sessions * 1.5 + 1);
    const live = await walk<Item>('/admin/online-users?');
    for (const { sessionId, userId, createdAt } of live) {
      expect(logins.get(sessionId)).toMatchObject({ userId, at: createdAt });
      expect(ends.has(sessionId)).toBe(false);
    }
    const byReason = new Map<string | null, string[]>();
    for (const { reason, userId } of ends.values()) byReason.set(reason, [...(byReason.get(reason) ?? []), userId]);
    expect(byReason.size).toBeGreaterThan(4);
    const userIds = new Set([...byReason.values()].flatMap((ids) => ids.slice(0, ofEachReason)));
    let replaced = 0;
    for (const userId of userIds) {
      const past = await walk<Item>(`/admin/users/${userId}/sessions?ended=true&`);
      expect(past.length).toBeGreaterThan(0);
      const known = new Map(
        [...past, ...(await walk<Item>(`/admin/users/${userId}/sessions?`))].map((item) => [item.sessionId, item]),
      );
      for (const { sessionId, createdAt, lastSeenAt, endedAt, endReason, replacedBy } of past) {
        expect(ends.get(sessionId)).toMatchObject({ userId, reason: endReason, at: endedAt });
        expect(logins.get(sessionId)).toMatchObject({ userId, at: createdAt });
        expect(Date.parse(createdAt)).toBeLessThanOrEqual(Date.parse(lastSeenAt));
        expect(Date.parse(lastSeenAt)).toBeLessThanOrEqual(Date.parse(endedAt));
        expect(replacedBy !== null).toBe(endReason === 'SESSION_REPLACED');
        if (replacedBy === null) continue;
        replaced++;
        expect(known.get(replacedBy.sessionId)?.createdAt).toBe(endedAt);
      }
    }
    expect(replaced).toBeGreaterThan(0);
    expect(events.some(({ type }) => type === 'LOGIN_FAILED')).toBe(true);
  });

  it('lets its users sign in, who make way for nobody else', async () => {
    const [some] = (await app.get('/admin/online-users?limit=1&q=liam', token)).body.items as Item[];
    const credentials = { username: some!.userId, password: 'password', deviceType: 'phone' };
    const login = await app.post('/auth/login', credentials);
    expect(login).toMatchObject({ status: 200 });
    const ended = login.body.ended as { sessionId: string }[];
    expect(ended.map(({ sessionId }) => sessionId)).toContain(some!.sessionId);
  });

  it('adds up when it is run again, also beside a running application', async () => {
    const before = (await walk<Item>('/admin/online-users?')).length;
    const again = await load(options, { DATABASE_URL: database.url });
    expect(again).toMatchObject({ code: 0, stderr: '' });
    expect(again.stdout).toMatch(/^Added [\d,]+ live sessions, [\d,]+ past ones and [\d,]+ events of [\d,]+ users/m);
    const items = await walk<Item>('/admin/online-users?');
    expect(items).toHaveLength(before + sessions);
    expect(new Set(items.map(({ sessionId }) => sessionId)).size).toBe(items.length);
  });

  it('counts by the hour what it added', async () => {
    const source = await new DataSource(database.options).initialize();
    const rows: { hour: string; kind: string; amount: string }[] = await source.query(
      `SELECT hour, kind, amount FROM latchkey_statistic WHERE hour < ${Date.now() - 2 * HOUR_MS}`,
    );
    await source.destroy();
    const sum = (kind: string) =>
      rows.filter((row) => row.kind === kind).reduce((total, { amount }) => total + Number(amount), 0);
    // Of two runs, without the last hours.
    expect(sum('login')).toBeGreaterThan(sessions * 2);
    expect(sum('end')).toBeGreaterThan(sessions * 0.7);
    expect(sum('failed-login')).toBeGreaterThan(10);
    const online = rows.filter(({ kind }) => kind === 'online').sort((a, b) => Number(a.hour) - Number(b.hour));
    for (const { amount } of online) expect(Number(amount)).toBeGreaterThanOrEqual(0);
    expect(Number(online.at(-1)!.amount)).toBeGreaterThan(sessions);
  });
});

describe('a large load on PostgreSQL', () => {
  let database: TestDatabase;
  let source: DataSource;

  beforeAll(async () => {
    database = await kindsOf('postgres')[0]!.create();
    await load(['--sessions=5', `--database=${database.url}`]);
    source = await new DataSource(database.options).initialize();
  });

  afterAll(async () => {
    await source.destroy();
    await database.drop();
  });

  const indexes = (on: DataSource | QueryRunner): Promise<unknown[]> =>
    on.query(`SELECT indexdef FROM pg_indexes WHERE tablename = 'latchkey_session' ORDER BY indexname`);
  const count = async () => {
    const [row]: { n: number }[] = await source.query('SELECT COUNT(*)::int AS n FROM latchkey_account');
    return row!.n;
  };
  const addAccount = (runner: QueryRunner, key: string) =>
    runner.query(`INSERT INTO latchkey_account VALUES ('${key}', 'users', '${key}', 0, 0, NULL, 0, 0, 0, 0)`);

  it('has no indexes but the primary key to keep up, and has all of them again in the end', async () => {
    const runner = source.createQueryRunner();
    const [before, accounts] = [await indexes(source), await count()];
    expect(before.length).toBeGreaterThan(12);
    const meanwhile = await withoutIndexes(runner, ['latchkey_session'], async () => {
      await addAccount(runner, 'a');
      return indexes(runner);
    });
    expect(meanwhile).toHaveLength(1);
    expect(await indexes(source)).toEqual(before);
    expect(await count()).toBe(accounts + 1);
    await runner.release();
  });

  it('changes nothing if it fails', async () => {
    const runner = source.createQueryRunner();
    const [before, accounts] = [await indexes(source), await count()];
    const failing = withoutIndexes(runner, ['latchkey_session'], async () => {
      await addAccount(runner, 'b');
      throw new Error('the disk is full');
    });
    await expect(failing).rejects.toThrow('the disk is full');
    expect(await indexes(source)).toEqual(before);
    expect(await count()).toBe(accounts);
    await runner.release();
  });

  it('is only done where it pays: not for few rows, nor for less than what is there already', async () => {
    const runner = source.createQueryRunner();
    expect(await paysWithoutIndexes(runner, 49_999)).toBe(false);
    expect(await paysWithoutIndexes(runner, 50_000)).toBe(true);
    await runner.query(`CREATE TEMPORARY TABLE latchkey_session AS SELECT generate_series(1, 50000) AS id`);
    expect(await paysWithoutIndexes(runner, 50_000)).toBe(false);
    await runner.query('DROP TABLE pg_temp.latchkey_session');
    await runner.release();
  });
});

describe('a wrong option', () => {
  it.each([
    ['--sessions', '--sessions=many'],
    ['--sessions', '--sessions=-1'],
    ['--sessions', '--sessions=99999999'],
    ['--ended', '--ended=1.5'],
    ['--users', '--users=0'],
    ['"--user=5"', '--user=5'],
    ['"--sessions"', '--sessions'],
    ['"2000"', '2000'],
  ])('is named first: %s in %s', (start, option) => {
    expect(() => readOptions([option], {})).toThrow(new RegExp(`^${start} .*$`));
  });

  it.each([
    ['sqlite::memory:', '--database=sqlite::memory:'],
    ['The database (--database, DATABASE_URL)', '--database=ftp://user:hunter2@127.0.0.1/x'],
    ['The database (--database, DATABASE_URL)', '--database=postgres://user:hunter2@127.0.0.1:1/x'],
  ])('is told in one line that begins with %s: %s', async (start, option) => {
    const { code, stdout, stderr } = await load([option]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr.startsWith(start)).toBe(true);
    expect(stderr).toMatch(/^[^\n]+\n$/);
    expect(stderr).not.toContain('hunter2');
  });
});

async function load(args: readonly string[], variables: Record<string, string> = {}) {
  const { PATH, HOME } = process.env;
  const child = spawn(process.execPath, [LOAD, ...args], {
    env: { PATH, HOME, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}
