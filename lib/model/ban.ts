/** Bans an account from the whole application or from one service. Times are integer milliseconds since the epoch. */
export interface Ban {
  /** Name that `@CheckBan` checks; null for a ban from everything. */
  readonly service: string | null;
  /** Severity, 1 or more: `@CheckBan('comment', 2)` refuses from level 2 on. */
  readonly level: number;
  /** The operator's words, or null. Users may read them. */
  readonly comment: string | null;
  /** Time at which the ban runs out; null for a permanent ban. */
  readonly until: number | null;
  readonly at: number;
  /** Operator who set the ban. */
  readonly by: string;
}

/** Stands for bans that cannot be read, and shows that to operators: until they lift it or ban anew, the account is refused. */
export const UNREADABLE_BANS: Ban = {
  service: null,
  level: 1,
  comment: 'The bans of this account cannot be read. Lift this one, or ban anew.',
  until: null,
  at: 0,
  by: 'system',
};

/** Finds the ban from everything that is in force now, or null. */
export function accountBan(bans: readonly Ban[], now: number): Ban | null {
  return bans.find((ban) => ban.service === null && isInForce(ban, now)) ?? null;
}

/** Finds the ban from a service, at this level or above, that is in force now, or null. */
export function serviceBan(bans: readonly Ban[], service: string, level: number, now: number): Ban | null {
  return bans.find((ban) => ban.service === service && ban.level >= level && isInForce(ban, now)) ?? null;
}

function isInForce(ban: Ban, now: number): boolean {
  return ban.until === null || now < ban.until;
}

/** State of an account that applies to all of its sessions. */
export interface AccountState {
  readonly bans: readonly Ban[];
  /** Rejects proofs of identity older than this. Milliseconds since the epoch; 0 before the first change of credentials. */
  readonly notBefore: number;
}

/** One row of the table of accounts. */
export interface AccountRecord extends AccountState {
  /** Counts changes of credentials. */
  readonly epoch: number;
}
