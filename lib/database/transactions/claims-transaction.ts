import type { ScopeChange } from '../../model/mass-end.js';
import { MOST_CHANGED } from '../../model/session-change.js';
import type { Claims } from '../../model/session.js';
import type { AccountRef } from '../../model/user-key.js';
import type { ClaimsChange, ClaimsChangeNote } from '../../ports/session-repository.js';
import { type Script, effect, raw, sql } from '../engine/sql.js';
import { toClaims } from '../schema/session-rows.js';
import { commentOf, describeAccount, insertEvents } from './audit.js';
import { logScopeChange } from './end-transaction.js';
import { NEXT_VERSION, type Scope, chunksOf, lockDamagedAccount, lockSessions, nextVersion } from './locks.js';
import { hasMany } from './mass-end-transaction.js';

const COLUMNS = raw('id, claims, usable_until');

/**
 * Changes the claims of the sessions of an account. One row of the change log, that of the account, makes all copies of them old,
 * however many there are.
 */
export function* claimsScript(
  scope: Scope,
  account: AccountRef,
  change: (claims: Claims) => Claims,
  { by, names, comment }: ClaimsChangeNote,
): Script<ClaimsChange | null> {
  const { tables, dialect, realm, clock } = scope;
  const locked = yield* lockDamagedAccount(scope, account.key);
  const { epoch, version: before } = locked;
  if (yield* hasMany(scope, locked, MOST_CHANGED)) return null;
  const rows = yield* lockSessions(scope, locked, COLUMNS);
  const now = clock.now();
  const changed = rows.filter((row) => Number(row.usable_until) > now).length;
  const byClaims = new Map<string, string[]>();
  for (const row of rows) {
    const claims = toClaims(row.claims);
    // A damaged row is refused as it is.
    if (!claims) continue;
    const text = JSON.stringify(change(claims));
    const alike = byClaims.get(text);
    if (alike) alike.push(String(row.id));
    else byClaims.set(text, [String(row.id)]);
  }
  for (const [text, alike] of byClaims) {
    for (const chunk of chunksOf(alike)) {
      yield effect(
        sql`UPDATE ${tables.session} SET claims = ${text}, version = ${NEXT_VERSION} WHERE id ${dialect.isOneOf(chunk)}`,
      );
    }
  }
  const version = nextVersion(before);
  yield effect(
    sql`UPDATE ${tables.account} SET version = ${version}, epoch = ${nextVersion(epoch)} WHERE user_key = ${account.key}`,
  );
  const detail = { claims: names, changed, ...commentOf(comment) };
  yield effect(
    insertEvents(tables, [{ type: 'CLAIMS_CHANGED', at: now, actor: by, ...describeAccount(account), detail }]),
  );
  const scopeChange: ScopeChange = { kind: 'account', id: account.key, version, end: null };
  yield logScopeChange(tables, dialect, scopeChange, realm, clock.now());
  return { changed, change: scopeChange };
}
