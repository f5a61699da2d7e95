import type { Membership, PollResult } from '../core/membership.js';
import type { Engine, RunOptions } from './engine.js';
import { isGone, processIdentity } from './process-identity.js';
import { type Row, list, sql } from './sql.js';
import type { Tables } from './tables.js';

/** Members and change log in the tables of a realm. */
export class TypeOrmMembership implements Membership {
  private readonly process = processIdentity();
  private readonly options: RunOptions;

  /** @param budgetMs time that each call may take */
  constructor(
    private readonly engine: Engine,
    private readonly tables: Tables,
    private readonly realm: string,
    budgetMs: number,
  ) {
    this.options = { lane: 'control', budgetMs };
  }

  async poll(node: { id: string; caching: boolean }, changesSince: number | null): Promise<PollResult> {
    const { engine, tables, realm } = this;
    const { now } = engine.dialect;
    const caching = Number(node.caching);
    const renewed = await engine.write(
      sql`UPDATE ${tables.member} SET renewed_at = ${now}, caching = ${caching} WHERE id = ${node.id}`,
      this.options,
    );
    if (renewed.affected === 0) {
      await engine.write(
        sql`INSERT INTO ${tables.member} (id, realm, process, caching, renewed_at)
          VALUES (${node.id}, ${realm}, ${this.process}, ${caching}, ${now})`,
        this.options,
      );
    }
    const askedAt = performance.now();
    const members = await engine.read(
      sql`SELECT id, process, caching, renewed_at, ${now} AS now_ms FROM ${tables.member} WHERE realm = ${realm}`,
      this.options,
    );
    const measuredAt = (askedAt + performance.now()) / 2;
    const others = members.rows.filter((row) => row.id !== node.id);
    const gone = others.filter((row) => isGone(row.process as string | null));
    if (gone.length > 0) await this.remove(gone.map((row) => String(row.id)));
    return {
      databaseTime: Number(members.rows[0]?.now_ms),
      measuredAt,
      wasRegistered: renewed.affected > 0,
      others: others.filter((row) => !gone.includes(row)).map(toMember),
      changes: changesSince === null ? [] : await this.changesSince(changesSince),
    };
  }

  async leave(nodeId: string): Promise<void> {
    await this.remove([nodeId]);
  }

  async purge(before: number): Promise<void> {
    const { engine, tables, realm } = this;
    await engine.write(sql`DELETE FROM ${tables.change} WHERE realm = ${realm} AND at < ${before}`, this.options);
    await engine.write(
      sql`DELETE FROM ${tables.member} WHERE realm = ${realm} AND renewed_at < ${before}`,
      this.options,
    );
  }

  private async changesSince(since: number): Promise<PollResult['changes']> {
    const { rows } = await this.engine.read(
      sql`SELECT session_id, version FROM ${this.tables.change} WHERE realm = ${this.realm} AND at >= ${since}`,
      this.options,
    );
    return rows.map((row) => ({ sessionId: String(row.session_id), version: Number(row.version) }));
  }

  private async remove(ids: readonly string[]): Promise<void> {
    await this.engine.write(sql`DELETE FROM ${this.tables.member} WHERE id IN (${list(ids)})`, this.options);
  }
}

function toMember(row: Row) {
  return { id: String(row.id), caching: Number(row.caching) !== 0, renewedAt: Number(row.renewed_at) };
}
