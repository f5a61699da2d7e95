import type { Clock } from '../../ports/clock.js';
import type { EndRequest } from '../../model/session-change.js';
import type { EndedSession } from '../../model/tombstone.js';
import type { AccountRef } from '../../model/user-key.js';
import type { Dialect, TransactionConditions } from '../engine/dialect.js';
import { endOf, insertEndEvents, logChangesOf, sessionOwner, toEnded } from './ending-script.js';
import { isOfRealm, usableAt } from '../schema/session-rows.js';
import { type Script, effect, raw, sql, unindexed } from '../engine/sql.js';
import type { Tables } from '../schema/tables.js';

/** Which session to end, if it is of this realm, and of this account where one is given. */
export interface EndTarget {
  readonly id: string;
  readonly realm: string;
  readonly account: AccountRef | undefined;
}

/**
 * Ends one session that is live and not overdue without looking at it first, so that all of it goes to the server at once. Of
 * any other session it changes nothing. The row and the audit trail are one statement. The data of the session is another one:
 * it sees what those have written who had the row before. With it goes the change log, which comes last in every transaction.
 * @param conditions of the dialect
 * @returns to be called when it is committed: the end, or null if it has changed nothing
 */
export function* endAtOnce(
  tables: Tables,
  dialect: Dialect,
  { isOpen, isWriterOf }: TransactionConditions,
  { id, realm, account }: EndTarget,
  end: EndRequest,
  clock: Clock,
): Script<() => EndedSession | null> {
  const now = clock.now();
  const ending = { ...end, at: now, replacedBy: null };
  const ofAccount = account ? sql` AND ${unindexed(sql`user_key = ${account.key}`)}` : raw('');
  const change = effect(
    sql`WITH own AS (UPDATE ${tables.session} SET ${endOf(ending)}
        WHERE id = ${id} AND ${isOfRealm(realm)} AND ${unindexed(usableAt(now))} AND ${isOpen}${ofAccount} RETURNING *),
      told AS (${insertEndEvents(tables, dialect, raw('own'), now, end.comment)})
      SELECT id, user_id, version - 1 AS version, generation, access_hash, superseded FROM own`,
    { isGuarded: true },
  );
  yield change;
  yield effect(
    sql`WITH ended AS (SELECT id, version, realm FROM ${tables.session} WHERE id = ${id} AND ${isWriterOf}),
      wiped AS (DELETE FROM ${tables.data} WHERE owner = ${sessionOwner(id)} AND EXISTS (SELECT 1 FROM ended))
      ${logChangesOf(tables, dialect, raw('ended'), now)}`,
    { isGuarded: true },
  );
  return () => {
    const row = change.result?.rows[0];
    return row ? toEnded(row, ending) : null;
  };
}
