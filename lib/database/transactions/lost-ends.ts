import type { SessionEnd, SessionRecord } from '../../model/session.js';
import { isOfRealm, toUserId } from '../schema/session-rows.js';
import type { EndedSession } from '../../model/session-change.js';
import type { ChangeEnd } from '../../ports/node-registry.js';
import type { KnownChanges, KnownScope, Restored } from '../../ports/known-changes.js';
import type { ScopeChange } from '../../model/mass-end.js';
import type { RunOptions } from '../engine/engine.js';
import { type Row, type Script, effect, raw, sql } from '../engine/sql.js';
import { RealmQueries, type RealmScope } from '../lists/realm-queries.js';
import { endSessions } from './end-transaction.js';
import { type Scope, chunksOf, lockRows, nextVersion } from './locks.js';
import { describeAccount, insertEvents } from './audit.js';
import { ensureRealm, recordMassEnd } from './mass-end-transaction.js';

type KnownEnd = readonly [sessionId: string, end: ChangeEnd];

/** Longest wait before sessions are ended again, so that nodes that all find them do not do it at the same moment. */
const JITTER_MS = 250;

/** The record as it is: ended, if this node knows of an end, whatever its row says. */
export function withKnownEnd(record: SessionRecord, { endOf }: Pick<Scope, 'endOf'>): SessionRecord {
  const end = (!record.end && endOf?.(record)) || null;
  return end ? { ...record, end } : record;
}

/** Ends again what a database that has lost commits has live after its end. */
export class LostEnds extends RealmQueries {
  private readonly scope: Scope;
  private readonly looking: RunOptions;

  constructor(scope: RealmScope) {
    super(scope);
    this.scope = { ...scope, dialect: scope.engine.dialect };
    this.looking = { ...this.options, lane: 'control' };
  }

  /** Changes only rows that are there and have not ended. Whole accounts and the realm come first, whose ends are many. */
  async restore({ ends, scopes }: KnownChanges): Promise<Restored> {
    const restored: ScopeChange[] = [];
    let lostChanges = 0;
    for (const known of await this.behind(scopes)) {
      await this.jitter();
      if (known.kind === 'realm') await this.engine.write(ensureRealm(this.scope), this.options);
      const change = await this.engine.transaction(() => restoreScope(this.scope, known), this.options);
      if (change === 'lost') lostChanges++;
      else if (change) restored.push(change);
    }
    const { rewritten, missing } = await this.endAgain(ends);
    const changes = rewritten.map(({ sessionId, version, tombstone: { end } }) => ({ sessionId, version, end }));
    return { changes, missing, scopes: restored, lostChanges };
  }

  /** Those whose numbers are lower in the database than this node knows them to have been. */
  private async behind(scopes: readonly KnownScope[]): Promise<readonly KnownScope[]> {
    const { account, realm } = this.tables;
    const stored = new Map<string, StoredScope>();
    for (const chunk of chunksOf(scopes.filter(({ kind }) => kind === 'account'))) {
      const isOne = this.engine.dialect.isOneOf(chunk.map(({ id }) => id));
      const columns = raw('user_key, version, end_epoch');
      const rows = await this.rows(sql`SELECT ${columns} FROM ${account} WHERE user_key ${isOne}`, this.looking);
      for (const row of rows) stored.set(String(row.user_key), storedScope(row));
    }
    const known = scopes.find(({ kind }) => kind === 'realm');
    if (known) {
      const rows = await this.rows(sql`SELECT end_epoch FROM ${realm} WHERE realm = ${this.realm}`, this.looking);
      stored.set(known.id, storedScope(rows[0]));
    }
    return scopes.filter((scope) => {
      const found = stored.get(scope.id);
      return found && (found.version < scope.version || lostEndOf(scope, found));
    });
  }

  private async endAgain(
    ends: readonly KnownEnd[],
  ): Promise<{ readonly rewritten: readonly EndedSession[]; readonly missing: number }> {
    const rewritten: EndedSession[] = [];
    let found = 0;
    for (const chunk of chunksOf(ends)) {
      const ids = chunk.map(([id]) => id);
      const rows = await this.rows(
        sql`SELECT id, status FROM ${this.tables.session} WHERE id ${this.engine.dialect.isOneOf(ids)}
          AND ${isOfRealm(this.realm)}`,
        this.looking,
      );
      found += rows.length;
      const live = new Set(rows.filter(({ status }) => status !== 'ended').map(({ id }) => String(id)));
      if (live.size === 0) continue;
      await this.jitter();
      const lost = new Map(chunk.filter(([id]) => live.has(id)));
      rewritten.push(...(await this.engine.transaction(() => this.script(lost), this.options)));
    }
    return { rewritten, missing: ends.length - found };
  }

  private jitter(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, Math.random() * JITTER_MS));
  }

  private *script(lost: ReadonlyMap<string, ChangeEnd>): Script<readonly EndedSession[]> {
    const rows = yield* lockRows(this.scope, [...lost.keys()]);
    return yield* endSessions(this.scope, rows, this.scope.clock.now(), (row) => {
      return { ...lost.get(String(row.id))!, replacedBy: null };
    });
  }
}

interface StoredScope {
  readonly version: number;
  readonly endEpoch: number;
}

/** A realm has no version beside its epoch. */
function storedScope(row: Row | undefined): StoredScope {
  const endEpoch = Number(row?.end_epoch ?? 0);
  return { version: Number(row?.version ?? endEpoch), endEpoch };
}

/** The first end of all sessions in the epoch that the database has. */
function lostEndOf({ ends }: KnownScope, { endEpoch }: StoredScope): SessionEnd | undefined {
  return ends.find(({ version }) => version > endEpoch)?.end;
}

/**
 * Raises the numbers of an account or the realm above those that this node knows of, and so ends what was ended. No number
 * is used again. @returns the mass end; `lost` for another change, which is not made again; null if the database has both
 */
function* restoreScope(scope: Scope, known: KnownScope): Script<ScopeChange | 'lost' | null> {
  const { tables, dialect, realm } = scope;
  const isRealm = known.kind === 'realm';
  const row = isRealm
    ? sql`SELECT end_epoch FROM ${tables.realm} WHERE realm = ${realm}`
    : sql`SELECT user_id, epoch, version, end_epoch FROM ${tables.account} WHERE user_key = ${known.id}`;
  const [found] = (yield sql`${row}${dialect.forUpdate()}`).rows;
  if (!found) return null;
  const stored = storedScope(found);
  const end = lostEndOf(known, stored);
  if (!end) {
    if (stored.version >= known.version) return null;
    yield effect(sql`UPDATE ${tables.account} SET version = ${known.version} WHERE user_key = ${known.id}`);
    return 'lost';
  }
  const version = nextVersion(Math.max(stored.version, known.version));
  yield effect(
    isRealm
      ? sql`UPDATE ${tables.realm} SET end_epoch = ${version} WHERE realm = ${realm}`
      : sql`UPDATE ${tables.account} SET version = ${version}, end_epoch = ${version}, epoch = ${nextVersion(Number(found.epoch))},
          not_before = CASE WHEN not_before < ${end.at} THEN ${end.at} ELSE not_before END WHERE user_key = ${known.id}`,
  );
  const userId = isRealm ? null : toUserId(found.user_id);
  const account = userId === null ? null : { key: known.id, realm, userId };
  const type = isRealm ? 'REALM_SESSIONS_ENDED' : 'ACCOUNT_SESSIONS_ENDED';
  const about = account ? describeAccount(account) : { realm, userKey: null, userId: null, sessionId: null };
  yield effect(insertEvents(tables, [{ type, at: end.at, actor: end.by, reason: end.reason, ...about, ended: null }]));
  const change = { kind: known.kind, id: isRealm ? realm : known.id, version };
  return yield* recordMassEnd(scope, change, stored.endEpoch, end, end.at, account);
}
