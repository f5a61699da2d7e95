/** Lives of a login of its own, in milliseconds; null for those of the module. */
export interface OwnLife {
  /** Idle timeout. */
  readonly idleMs: number | null;
  /** Lifetime of an unused refresh token. */
  readonly refreshMs: number | null;
}

/** Lives of sessions as the module has them. */
export interface LifeRules {
  /** Treats a session as idle after this long without use; null never does. Milliseconds. */
  readonly idleMs: number | null;
  /** Lets a login live longer than the module says. */
  readonly allowLongerLife: boolean;
}

/** Flushes of uses in the shortest idle timeout: the end may come two of them late. */
const MIN_IDLE_FLUSHES = 3;

/** Shortest idle timeout. Milliseconds. */
export function leastIdleMs(activityFlushMs: number): number {
  return MIN_IDLE_FLUSHES * activityFlushMs;
}

/** Idle timeout of a session in milliseconds; Infinity for none. */
export function idleMsOf({ idleMs }: Pick<OwnLife, 'idleMs'>, rules: LifeRules): number {
  return effective(idleMs, rules.idleMs ?? Infinity, rules.allowLongerLife);
}

/** Lifetime of a refresh token of a session in milliseconds. @param ofModule lifetime by the module's token mode */
export function refreshMsOf({ refreshMs }: Pick<OwnLife, 'refreshMs'>, ofModule: number, allowLonger: boolean): number {
  return effective(refreshMs, ofModule, allowLonger);
}

/** A change of the configuration shortens the life of a login, and never makes it longer. */
function effective(own: number | null, ofModule: number, allowLonger: boolean): number {
  return allowLonger ? (own ?? ofModule) : Math.min(own ?? ofModule, ofModule);
}
