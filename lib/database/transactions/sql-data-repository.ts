import { createHash } from 'node:crypto';
import type { BeforeWaiting, DataEntry, DataOwner, DataRepository } from '../../ports/data-repository.js';
import { SessionError } from '../../model/session-error.js';
import { sessionOwner } from './end-transaction.js';
import { type RowOptions, lockOrLook } from '../engine/engine.js';
import { isMassEnded } from '../schema/live-sessions.js';
import { ensureAccount, isMassEndedRow } from './locks.js';
import { RealmQueries } from '../lists/realm-queries.js';
import { isOfRealm } from '../schema/session-rows.js';
import { type Script, effect, sql } from '../engine/sql.js';

export class SqlDataRepository extends RealmQueries implements DataRepository {
  async read(owner: DataOwner, name: string): Promise<string | null> {
    const [row] = await this.rows(
      sql`SELECT name, value FROM ${this.tables.data} WHERE owner = ${keyOf(owner)} AND name_hash = ${hashOf(name)}
        AND ${this.isOurs(owner)}`,
    );
    return row ? String(row.value) : null;
  }

  async readAll(owner: DataOwner): Promise<readonly DataEntry[]> {
    const rows = await this.rows(
      sql`SELECT name, value FROM ${this.tables.data} WHERE owner = ${keyOf(owner)} AND ${this.isOurs(owner)} ORDER BY name`,
    );
    return rows.map((row) => ({ name: String(row.name), json: String(row.value) }));
  }

  async write(owner: DataOwner, entry: DataEntry, maxEntries: number, beforeWaiting: BeforeWaiting): Promise<boolean> {
    if (owner.kind === 'account') {
      const { engine, tables, realm, clock } = this;
      await engine.write(
        ensureAccount({ tables, dialect: engine.dialect, realm, clock }, owner.account),
        this.turnOf(owner),
      );
    }
    const script = (waits: boolean) => this.writeScript(owner, entry, maxEntries, waits);
    return lockOrLook(this.engine, script, beforeWaiting, this.turnOf(owner));
  }

  remove(owner: DataOwner, name: string | null, beforeWaiting: BeforeWaiting): Promise<number> {
    const script = (waits: boolean) => this.removeScript(owner, name, waits);
    return lockOrLook(this.engine, script, beforeWaiting, this.turnOf(owner));
  }

  private *writeScript(
    owner: DataOwner,
    { name, json }: DataEntry,
    maxEntries: number,
    waits: boolean,
  ): Script<boolean | null> {
    if (!(yield* this.lock(owner, waits))) return null;
    const { data } = this.tables;
    const [key, nameHash] = [keyOf(owner), hashOf(name)];
    const { rows } =
      yield sql`SELECT COUNT(*) AS others FROM ${data} WHERE owner = ${key} AND name_hash <> ${nameHash}`;
    if (Number(rows[0]?.others) >= maxEntries) return false;
    yield effect(sql`INSERT INTO ${data} (owner, name_hash, name, value, updated_at)
      VALUES (${key}, ${nameHash}, ${name}, ${json}, ${this.clock.now()})${this.engine.dialect.orReplaceValue}`);
    return true;
  }

  private *removeScript(owner: DataOwner, name: string | null, waits: boolean): Script<number | null> {
    if (!(yield* this.lock(owner, waits))) return null;
    const all = sql`DELETE FROM ${this.tables.data} WHERE owner = ${keyOf(owner)}`;
    const { affected } = yield name === null ? all : sql`${all} AND name_hash = ${hashOf(name)}`;
    return affected;
  }

  /**
   * Locks the owner. Not FOR SHARE: on PostgreSQL, a session that writes without a pause could not be logged out.
   * @returns false without `waits` where the row is not free, or not there
   */
  private *lock(owner: DataOwner, waits: boolean): Script<boolean> {
    const { tables, realm } = this;
    const lock = this.engine.dialect.forUpdate(waits);
    const { rows } =
      owner.kind === 'account'
        ? yield sql`SELECT epoch FROM ${tables.account} WHERE user_key = ${owner.account.key}${lock}`
        : yield sql`SELECT status, usable_until, CASE WHEN ${isMassEnded(tables, realm)} THEN 1 ELSE 0 END AS is_mass_ended FROM ${tables.session}
            WHERE id = ${owner.sessionId} AND ${isOfRealm(realm)}${lock}`;
    if (rows.length === 0 && !waits) return false;
    const [row] = rows;
    const isOver = row?.status !== 'live' || isMassEndedRow(row) || Number(row.usable_until) <= this.clock.now();
    if (owner.kind === 'session' && isOver) throw new SessionError('SESSION_NOT_FOUND');
    return true;
  }

  /** With a session's other changes. */
  private turnOf(owner: DataOwner): RowOptions {
    return { ...this.options, row: keyOf(owner) };
  }

  /** The key of an account is made from its realm; the id of a session is not. */
  private isOurs(owner: DataOwner) {
    if (owner.kind === 'account') return sql`1 = 1`;
    return sql`EXISTS (SELECT 1 FROM ${this.tables.session} WHERE id = ${owner.sessionId} AND ${isOfRealm(this.realm)})`;
  }
}

function keyOf(owner: DataOwner): string {
  return owner.kind === 'session' ? sessionOwner(owner.sessionId) : `a:${owner.account.key}`;
}

/** By this hash the database tells names apart. */
function hashOf(name: string): string {
  return createHash('sha256').update(name).digest('hex');
}
