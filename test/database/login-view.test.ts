import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { type DevicePolicy, SessionError, singleDevice } from 'nestjs-latchkey';
import { ErrorReport } from 'lib/answers.js';
import type { SessionRecord } from 'lib/model/session.js';
import { loginScript } from 'lib/login-transaction.js';
import type { LoginOutcome } from 'lib/session-repository.js';
import { loginRequest } from 'lib/contract-stage.js';
import { Effect, type Script, type Statement, join, raw, sql } from 'lib/sql.js';
import { kindsOf } from '../support/databases.js';
import { useDatabase } from '../support/use-database.js';
import { MINUTE, type TestLogin, TestRepositories, describeRepository } from './repositories.js';

const MANY = 300;

/** Copies the row of a live session, each with an id and a slot of its own. */
async function multiply(node: TestRepositories, { id }: SessionRecord, count: number): Promise<void> {
  const { session } = node.database.tables;
  const [row] = await node.rows(sql`SELECT * FROM ${session} WHERE id = ${id}`);
  const others = Object.keys(row!).filter((column) => column !== 'id' && column !== 'slot');
  for (let left = count; left > 0; left -= 500) {
    const ids = Array.from({ length: Math.min(500, left) }, () => randomBytes(16).toString('hex'));
    const list = join(
      ids.map((one) => raw(`SELECT '${one}' AS copy`)),
      ' UNION ALL ',
    );
    await node.write(sql`INSERT INTO ${session} (id, slot, ${raw(others.join(', '))})
      SELECT copies.copy, copies.copy, ${raw(others.join(', '))} FROM ${session}, (${list}) copies WHERE id = ${id}`);
  }
}

interface Reading {
  readonly outcome: LoginOutcome;
  /** Selects on the table of sessions. */
  readonly selects: readonly Statement[];
  /** Rows, and entries of indexes, of that table that the database read. Null on SQLite, which does not count. */
  readonly rows: number | null;
}

const COUNTERS = {
  postgres: `SELECT (SELECT SUM(pg_stat_get_xact_tuples_returned(indexrelid)) FROM pg_index WHERE indrelid = c.oid)
    + pg_stat_get_xact_tuples_returned(c.oid) + pg_stat_get_xact_tuples_fetched(c.oid) AS total
    FROM pg_class c WHERE relname = 'latchkey_session'`,
  mysql: `SELECT SUM(VARIABLE_VALUE) AS total FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME LIKE 'HANDLER_READ%'`,
  sqlite: null,
};

/** Logs in as the repository does, and counts what is read under the lock of the account. */
async function readingOf(node: TestRepositories, userId: string, login: TestLogin): Promise<Reading> {
  const { engine, tables } = node.database;
  const { dialect } = engine;
  const scope = { tables, dialect, realm: 'users', clock: node.clock };
  const counter = COUNTERS[dialect.engine];
  const selects: Statement[] = [];
  const [outcome, rows] = await engine.transaction(
    function* (): Script<readonly [LoginOutcome, number | null]> {
      const total = function* (): Script<number> {
        return counter === null ? 0 : Number((yield raw(counter)).rows[0]?.total ?? 0);
      };
      const before = yield* total();
      selects.length = 0;
      const script = loginScript(scope, loginRequest('users', userId, login), false);
      let step = script.next();
      while (!step.done) {
        const { value } = step;
        const text = (value instanceof Effect ? value.statement : value) as Statement;
        if (/^SELECT[^]+latchkey_session/.test(text.render(() => '?'))) selects.push(text);
        step = script.next(yield value);
      }
      return [step.value, counter === null ? null : (yield* total()) - before];
    },
    { lane: 'work', budgetMs: 20_000 },
  );
  return { outcome, selects, rows };
}

describe('a login that its policy would have to see too much for', () => {
  const database = useDatabase(kindsOf('sqlite')[0]!);

  it('is refused with a cause that names the policy and what to do, which the log tells, until that is done', async () => {
    const policy: DevicePolicy = { ...singleDevice(), name: 'mine' };
    const { tokens, operators } = await database.start({ policy });
    const { session } = await tokens.login('alice');
    const node = await TestRepositories.open(database);
    database.atEnd(() => node.close());
    await multiply(node, await node.record(session.id), 1000);
    const error = (await tokens.login('alice').catch((caught: unknown) => caught)) as SessionError;
    const cause = expect.stringMatching(
      /^the device policy "mine" .* "alice", .* 1,000: end them first by OperatorService.kickUser/,
    );
    expect(error).toMatchObject({ code: 'SESSION_LIMIT_REACHED', cause: { message: cause } });
    const told = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    new ErrorReport().answered(error);
    new ErrorReport().answered(new SessionError('SESSION_LIMIT_REACHED'));
    expect(told.mock.calls).toEqual([[expect.stringContaining((error.cause as Error).message)]]);
    told.mockRestore();
    await operators.kickUser('alice', { by: 'root' });
    await tokens.login('alice');
  });
});

describeRepository('what a login sees', ({ clock, node, newUser }) => {
  let user: string;
  let seen: (readonly string[])[];
  beforeEach(() => {
    user = newUser();
    seen = [];
  });
  const onDecide = (ids: readonly string[]) => void seen.push([...ids].sort());
  const login = (of: TestLogin = {}) => node.login(user, of);
  const idsOf = (...sessions: SessionRecord[]) => sessions.map(({ id }) => id).sort();

  it('is for `device` the sessions of its device, and the one whose token came with it', async () => {
    const [phone, laptop, plain] = [
      await login({ deviceId: 'phone' }),
      await login({ deviceId: 'laptop' }),
      await login(),
    ];
    const ended = await login({ deviceId: 'phone' });
    await node.sessions.endSession(ended.id, { reason: 'SESSION_KICKED', by: 'root' });
    await login({ deviceId: 'phone', impersonator: 'root' });
    const foreign = await node.login(newUser(), { deviceId: 'phone' });
    const needs = 'device';
    for (const given of [
      {},
      { deviceId: 'phone' },
      { deviceId: 'PHONE' },
      { presented: plain.id },
      { presented: foreign.id },
      { deviceId: 'laptop', presented: plain.id },
    ]) {
      await login({ needs, onDecide, ...given });
    }
    expect(seen).toEqual([[], idsOf(phone), [], idsOf(plain), [], idsOf(laptop, plain)]);
  });

  it('is for `newest` these, and so many of the newest', async () => {
    const sessions: SessionRecord[] = [];
    for (const deviceId of ['old', 'older', 'new', 'newer', 'newest']) {
      sessions.push(await login({ deviceId }));
      clock.advance(1);
    }
    await login({ impersonator: 'root' });
    await login({ needs: { newest: 2 }, deviceId: 'old', presented: sessions[1]!.id, onDecide });
    expect(seen).toEqual([idsOf(sessions[0]!, sessions[1]!, sessions[3]!, sessions[4]!)]);
  });

  it('is for `all` every live one', async () => {
    const sessions = [await login({ deviceId: 'phone' }), await login()];
    await login({ lifeMs: MINUTE });
    clock.advance(MINUTE);
    await login({ needs: 'all', deviceId: 'other', onDecide });
    expect(seen).toEqual([idsOf(...sessions)]);
  });

  it('holds an overdue session only if that has the slot that is granted, which ends it', async () => {
    const [holder, other] = [
      await login({ replaces: true, lifeMs: MINUTE, deviceId: 'phone' }),
      await login({ lifeMs: MINUTE, deviceId: 'phone' }),
    ];
    clock.advance(2 * MINUTE);
    for (const needs of ['device', { newest: 9 }, 'all'] as const) {
      const { ended } = await node.tryLogin(user, { needs, deviceId: 'phone', onDecide });
      expect(ended).toEqual([]);
    }
    await node.endAll(user, { except: other.id });
    for (const needs of ['device', { newest: 9 }, 'all'] as const) {
      const last = await login({ needs: 'all', replaces: true, lifeMs: MINUTE });
      clock.advance(2 * MINUTE);
      const { ended } = await node.tryLogin(user, { needs, replaces: true, deviceId: 'phone', onDecide });
      expect(ended).toMatchObject([{ sessionId: last.id, reason: 'TOKEN_EXPIRED' }]);
      expect(seen.flat()).not.toContain(last.id);
      expect((await node.record(last.id)).end).toEqual({
        reason: 'TOKEN_EXPIRED',
        at: last.usableUntil,
        by: 'system',
        replacedBy: null,
      });
    }
    expect((await node.record(other.id)).end).toBeNull();
    expect((await node.record(holder.id)).end?.reason).toBe('TOKEN_EXPIRED');
  });

  it('is in a second call the session that holds the slot granted in the first, if that was not shown', async () => {
    const holder = await login({ replaces: true });
    const outcome = await node.tryLogin(user, { needs: 'device', replaces: true, onDecide });
    expect(seen).toEqual([[], idsOf(holder)]);
    expect(outcome).toMatchObject({ kind: 'granted', ended: [{ sessionId: holder.id, reason: 'SESSION_REPLACED' }] });
  });

  it('is not made for an account with more than 1,000 where all are needed, until it has fewer', async () => {
    const first = await login();
    const lapsing = await login({ lifeMs: MINUTE });
    await multiply(node, lapsing, 10);
    await multiply(node, first, 999);
    expect(await node.tryLogin(user)).toEqual({ kind: 'too-many', ended: [] });
    expect((await node.events(user)).at(-1)).toMatchObject({ type: 'LOGIN_REFUSED', sessionId: null });
    await login({ needs: 'device' });
    await node.sessions.endSession(first.id, { reason: 'SESSION_KICKED', by: 'root' });
    // Those that are overdue are rows like others, and do not count.
    clock.advance(MINUTE);
    const next = await login({ onDecide, replaces: true });
    expect(seen.at(-1)).toHaveLength(1000);
    expect(await node.sessions.listLiveSessions(node.account(user))).toMatchObject([{ id: next.id }]);
  });

  it('costs the same for `device` whatever the account has', async () => {
    const first = await login({ deviceId: 'first' });
    const read = async () => {
      const all: Reading[] = [];
      for (const given of [{}, { deviceId: 'new' }, { deviceId: 'first' }, { presented: first.id }]) {
        all.push(await readingOf(node, user, { needs: 'device', ...given }));
      }
      return all;
    };
    await read();
    const few = await read();
    await multiply(node, await login(), MANY);
    const many = await read();
    expect(many.map(({ selects }) => selects.length)).toEqual(few.map(({ selects }) => selects.length));
    const { engine } = node.database;
    if (engine.dialect.engine === 'sqlite') {
      const statements = many.flatMap(({ selects }) => selects);
      const plans = await Promise.all(statements.map((select) => node.rows(sql`EXPLAIN QUERY PLAN ${select}`)));
      expect(JSON.stringify(plans)).not.toMatch(/SCAN|idx_latchkey_session_account/);
      return;
    }
    for (const { rows } of many) expect(rows).toBeLessThan(30);
    const neighbour = newUser();
    await node.login(neighbour);
    expect((await readingOf(node, neighbour, { needs: 'all' })).rows).toBeLessThan(30);
    // The counters count: a login that needs all reads all.
    expect((await readingOf(node, user, { needs: 'all' })).rows).toBeGreaterThan(MANY);
  });
});
