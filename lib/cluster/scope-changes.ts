import { type ScopeChange, firstEnd } from '../model/mass-end.js';
import type { SessionEnd, CopiedRecord } from '../model/session.js';
import type { KnownScope } from '../ports/known-changes.js';
import { RecentMap } from './recent-changes.js';

type Known = Pick<KnownScope, 'version' | 'ends'>;

const NOTHING: Known = { version: 0, ends: [] };

/** The realm's own entry: a node knows of one realm, and no key of an account is empty. */
const REALM = '';

/** Most accounts of a generation. */
const MAX_SCOPES = 50_000;

/** Keeps what changed accounts and the realm in the last `keepMs`, or twice that, to judge copies by that were read before. */
export class ScopeChanges {
  private readonly known: RecentMap<Known>;

  constructor(keepMs: number, now: number, most = MAX_SCOPES) {
    this.known = new RecentMap(keepMs, most, now);
  }

  /** Monotonic time before which no copy that was read can be compared with all changes that it needs; -Infinity for none. */
  get forgottenAt(): number {
    return this.known.overflowedAt;
  }

  /** @param now monotonic milliseconds */
  add({ kind, id, version, end }: ScopeChange, now: number): void {
    const key = kind === 'realm' ? REALM : id;
    const known = this.find(key);
    const isNew = end !== null && !known.ends.some((one) => one.version === version);
    const ends = isNew ? [...known.ends, { version, end }].sort((a, b) => a.version - b.version) : known.ends;
    this.known.set(key, { version: Math.max(version, known.version), ends }, now);
  }

  /**
   * Tells if the account or the realm has changed since the record was read: hot path. A higher version lifts no end: a
   * database that has lost that may have used the number for another change.
   */
  isStale({ userKey, accountVersion, accountEpoch, realmEpoch }: CopiedRecord): boolean {
    if (this.known.isEmpty) return false;
    const { version, ends } = this.find(userKey);
    if (accountVersion < version || accountEpoch < (ends.at(-1)?.version ?? 0)) return true;
    return realmEpoch < this.find(REALM).version;
  }

  /** Returns how a session ended with all others of its account or of the realm; null if it did not, as far as is known. */
  endOf({ userKey, accountEpoch, realmEpoch }: CopiedRecord): SessionEnd | null {
    const after = (key: string, epoch: number) =>
      this.find(key).ends.find(({ version }) => version > epoch)?.end ?? null;
    return firstEnd([after(userKey, accountEpoch), after(REALM, realmEpoch)]);
  }

  all(): readonly KnownScope[] {
    return this.known.entries().map(([id, known]) => ({ kind: id === REALM ? 'realm' : 'account', id, ...known }));
  }

  private find(key: string): Known {
    return this.known.get(key) ?? NOTHING;
  }
}
