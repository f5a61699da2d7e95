import { type ScopeChange, firstEnd } from '../model/mass-end.js';
import type { SessionEnd, CopiedRecord } from '../model/session.js';
import type { KnownScope } from '../ports/known-changes.js';

type Known = Pick<KnownScope, 'version' | 'ends'>;

const NOTHING: Known = { version: 0, ends: [] };

/** The realm's own entry: a node knows of one realm, and no key of an account is empty. */
const REALM = '';

/** Keeps what changed accounts and the realm in the last `keepMs`, or twice that, to judge copies by that were read before. */
export class ScopeChanges {
  private current = new Map<string, Known>();
  private previous = new Map<string, Known>();
  private turnedAt: number;

  constructor(
    private readonly keepMs: number,
    now: number,
  ) {
    this.turnedAt = now;
  }

  /** @param now monotonic milliseconds */
  add({ kind, id, version, end }: ScopeChange, now: number): void {
    if (now - this.turnedAt >= this.keepMs) {
      this.previous = this.current;
      this.current = new Map();
      this.turnedAt = now;
    }
    const key = kind === 'realm' ? REALM : id;
    const known = this.find(key);
    const isNew = end !== null && !known.ends.some((one) => one.version === version);
    const ends = isNew ? [...known.ends, { version, end }].sort((a, b) => a.version - b.version) : known.ends;
    this.current.set(key, { version: Math.max(version, known.version), ends });
  }

  /** Tells if the account or the realm has changed since the record was read: hot path. */
  isStale({ userKey, accountVersion, realmEpoch }: CopiedRecord): boolean {
    if (this.current.size === 0 && this.previous.size === 0) return false;
    return accountVersion < this.find(userKey).version || realmEpoch < this.find(REALM).version;
  }

  /** Returns how a session ended with all others of its account or of the realm; null if it did not, as far as is known. */
  endOf({ userKey, accountEpoch, realmEpoch }: CopiedRecord): SessionEnd | null {
    const after = (key: string, epoch: number) =>
      this.find(key).ends.find(({ version }) => version > epoch)?.end ?? null;
    return firstEnd([after(userKey, accountEpoch), after(REALM, realmEpoch)]);
  }

  all(): readonly KnownScope[] {
    const all = [...new Map([...this.previous, ...this.current])];
    return all.map(([id, known]) => ({ kind: id === REALM ? 'realm' : 'account', id, ...known }));
  }

  private find(key: string): Known {
    return this.current.get(key) ?? this.previous.get(key) ?? NOTHING;
  }
}
