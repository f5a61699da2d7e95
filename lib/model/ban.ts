/** A ban of an account, from everything or from one service. Times are integer milliseconds since the epoch. */
export interface Ban {
  /** What the account is banned from, as `@CheckBan` names it; null for everything. */
  readonly service: string | null;
  /** How severe it is, 1 or more; `@CheckBan('comment', 2)` refuses from level 2 on. */
  readonly level: number;
  /** What the operator said of it; null for nothing. The user may be told. */
  readonly comment: string | null;
  /** When it ends by itself; null for never. */
  readonly until: number | null;
  readonly at: number;
  /** Who banned. */
  readonly by: string;
}

/** The ban from everything that is in force, or null. */
export function accountBan(bans: readonly Ban[], now: number): Ban | null {
  return bans.find((ban) => ban.service === null && isInForce(ban, now)) ?? null;
}

/** The ban from a service, at this level or above, that is in force, or null. */
export function serviceBan(bans: readonly Ban[], service: string, level: number, now: number): Ban | null {
  return bans.find((ban) => ban.service === service && ban.level >= level && isInForce(ban, now)) ?? null;
}

function isInForce(ban: Ban, now: number): boolean {
  return ban.until === null || now < ban.until;
}

/** The part of an account that holds for all of its sessions. */
export interface AccountState {
  readonly bans: readonly Ban[];
  /** Proofs of identity from before this time count no more. Milliseconds since the epoch; 0 for never changed. */
  readonly notBefore: number;
}

/** What the row of an account says. */
export interface AccountRecord extends AccountState {
  /** Grows with every change of credentials. */
  readonly epoch: number;
}
