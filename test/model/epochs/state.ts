/** What is asked for, each at most once. */
export type Ask = 'end all' | 'end all again' | 'end all others' | 'ban' | 'end everything' | 'login';

/** The session that is there from the beginning, and that of the login. */
export const BOTH = [0, 1] as const;
export type Which = (typeof BOTH)[number];

export const NONE = -1;

/** The version of its row, and the epochs that it bears. */
export interface SessionRow {
  readonly version: number;
  readonly account: number;
  readonly realm: number;
  readonly openedAt: number;
}

/** What a read returns. A copy is known by the moment at which it was read. */
export interface Moment {
  /** Of the account: its version, and the epoch of sessions that are opened now. */
  readonly version: number;
  readonly epoch: number;
  readonly realm: number;
  readonly isBanned: boolean;
  readonly rows: readonly [SessionRow, SessionRow | null];
  /** Bits of the rows whose status says that they have ended. */
  readonly closed: number;
}

/** A change that is committed. */
export interface Made {
  /** What got a new number; null for a login, which may replace. */
  readonly scope: 'account' | 'realm' | null;
  readonly number: number;
  /** The epoch whose sessions it ends; null for none. */
  readonly ends: number | null;
  readonly at: number;
  /** Bits of the sessions that it ended. This is the truth: no rule goes by it. */
  readonly ended: number;
  /** The version of the first session that nodes know from it on: Infinity for an end, 0 for none. */
  readonly version: number;
  readonly isAcknowledged: boolean;
}

export interface EpochState {
  /** What was there after each commit. The last one is now. */
  readonly moments: readonly Moment[];
  /** In the order of commits. */
  readonly made: Readonly<Partial<Record<Ask, Made>>>;
  readonly login: 'idle' | 'has begun' | 'waits' | 'has settled' | 'is answered' | 'is refused';
  /** The epoch of the realm as the login has read it. That of the account is read under the lock. */
  readonly readRealm: number;
  /** Changes that the node knows of, and those of which it knows the version that they gave to a session. */
  readonly heard: readonly Ask[];
  readonly heardVersions: readonly Ask[];
  /** By session: the moment of the near copy, and as bits those of all copies that were ever in Redis, younger than A and older. */
  readonly near: readonly [number, number];
  readonly young: readonly [number, number];
  readonly old: readonly [number, number];
  /** Whether A and W have passed. */
  readonly time: 0 | 1;
  /** A step that was wrong in itself; null for none. */
  readonly fault: string | null;
}

export type Step = (who: string, what: string, next: Partial<EpochState>) => void;

export const newState = (): EpochState => ({
  moments: [
    {
      version: 0,
      epoch: 0,
      realm: 0,
      isBanned: false,
      rows: [{ version: 0, account: 0, realm: 0, openedAt: 0 }, null],
      closed: 0,
    },
  ],
  made: {},
  login: 'idle',
  readRealm: 0,
  heard: [],
  heardVersions: [],
  near: [NONE, NONE],
  young: [0, 0],
  old: [0, 0],
  time: 0,
  fault: null,
});

export function nowOf({ moments }: EpochState): Moment {
  return moments.at(-1)!;
}

/** The first change that ended a session. */
export function endOf({ made }: EpochState, s: Which): Made | undefined {
  return Object.values(made).find(({ ended }) => ended & (1 << s));
}

/** Whether a change ended all sessions of an epoch below its own, of which a row is one. */
export function isBelow(row: SessionRow, { scope, number, ends }: Made): boolean {
  return ends !== null && (scope === 'realm' ? row.realm : row.account) < number;
}

/** Whether it ended the epoch that a row bears, which is how the database finds its end. */
export function isOf(row: SessionRow, { scope, ends }: Made): boolean {
  return ends !== null && (scope === 'realm' ? row.realm : row.account) === ends;
}

/** The lowest version of a copy that the node uses. */
export function knownVersion({ made, heardVersions }: EpochState, s: Which): number {
  return s === 1 ? 0 : Math.max(0, ...heardVersions.map((ask) => made[ask]!.version));
}

/** Has the node know of changes. A near copy of a lower version is dropped. */
export function heardBy(state: EpochState, asks: readonly Ask[], withVersions = true): Partial<EpochState> {
  const { heard, heardVersions, moments, near } = state;
  const add = (known: readonly Ask[]) => [...new Set([...known, ...asks])].sort();
  const next = { heard: add(heard), heardVersions: withVersions ? add(heardVersions) : heardVersions };
  const isOld = near[0] !== NONE && moments[near[0]]!.rows[0].version < knownVersion({ ...state, ...next }, 0);
  return { ...next, near: [isOld ? NONE : near[0], near[1]] };
}
