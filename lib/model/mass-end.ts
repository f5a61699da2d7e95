import type { SessionEnd, SessionRecord } from './session.js';

/**
 * A change of an account, or the end of everything in a realm. Copies of sessions that were read before it do not count.
 */
export interface ScopeChange {
  readonly kind: 'account' | 'realm';
  /** Key of the account, or name of the realm. */
  readonly id: string;
  /** Version of the account after the change, or epoch of the realm. */
  readonly version: number;
  /** How all sessions of earlier epochs ended; null for a change that ends none. */
  readonly end: SessionEnd | null;
}

/** Epochs that a session was opened in. */
export type Epochs = Pick<SessionRecord, 'accountEpoch' | 'realmEpoch'>;

/** Returns the end that came first; null for none. */
export function firstEnd(ends: readonly (SessionEnd | null)[]): SessionEnd | null {
  return ends.reduce((first, end) => (end && (!first || end.at < first.at) ? end : first), null);
}
