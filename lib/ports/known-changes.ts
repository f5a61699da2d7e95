import type { ScopeChange } from '../model/mass-end.js';
import type { SessionEnd } from '../model/session.js';
import type { ChangeEnd, SessionChange } from './node-registry.js';

/** Latest change of an account or the realm, and the ends of all its sessions, in the order of their versions. */
export interface KnownScope extends Pick<ScopeChange, 'kind' | 'version'> {
  /** Key of the account; empty for the realm. */
  readonly id: string;
  readonly ends: readonly { readonly version: number; readonly end: SessionEnd }[];
}

/** Losses of a database, among the changes that this node knows of. */
export interface CommitsLost {
  /** Sessions that were live again, and have been ended again. */
  readonly rewritten: number;
  /** The same of ends of all sessions of a user, or of the realm. */
  readonly rewrittenMassEnds: number;
  /** Sessions that have ended and of which there is no row. */
  readonly missing: number;
  /** Users whose last change, such as a ban, is not there. It is not made again. */
  readonly lostChanges: number;
  /** False if more ended lately than this node remembers. */
  readonly isComplete: boolean;
}

export interface KnownChanges {
  readonly ends: readonly (readonly [sessionId: string, end: ChangeEnd])[];
  readonly scopes: readonly KnownScope[];
}

export interface Restored extends Pick<CommitsLost, 'missing' | 'lostChanges'> {
  readonly changes: readonly SessionChange[];
  readonly scopes: readonly ScopeChange[];
}

/** Checks known ends when the database may have lost commits. */
export interface EndsCheck {
  /** Ends again what the database has live. Adds no session. */
  restore(known: KnownChanges): Promise<Restored>;
  /** Called if anything was lost. */
  report(loss: CommitsLost): void;
}
