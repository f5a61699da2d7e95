import type { CopiedRecord, EndReason, SessionPatch, SessionEnd } from './session.js';
import type { SessionEventType } from './session-event.js';
import type { ParsedToken } from './token-pair.js';
import { equalHashes } from './verification.js';

/** Audit event about the session that is being changed. */
export interface EventDraft {
  readonly type: SessionEventType;
  /** Default: the user of the session. */
  readonly actor?: string;
  readonly ip?: string | null;
  readonly reason?: EndReason | null;
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** A patch, an end (which voids a patch beside it), or neither. Events are written only with one of the two. */
export interface SessionDecision<T> {
  readonly result: T;
  readonly patch?: SessionPatch;
  /** `at` defaults to now. */
  readonly end?: EndRequest & { readonly at?: number };
  readonly events?: readonly EventDraft[];
}

export interface EndRequest {
  readonly reason: EndReason;
  /** 1 to 255 characters. */
  readonly by: string;
  /** The operator's words for the audit trail, at most 255 characters. */
  readonly comment?: string | null;
}

/** Cached remains of an ended session, which tell the holder of its token why. Holds no data of the user. */
export interface Tombstone {
  readonly sessionId: string;
  readonly version: number;
  readonly end: SessionEnd;
  /** Access tokens that the end invalidated. */
  readonly tokens: readonly Readonly<{ generation: number; accessHash: string }>[];
}

export function isTombstone(found: object): found is Tombstone {
  return 'tokens' in found;
}

/** Returns the end of a token's session if the end invalidated this very token; null for any other token. */
export function endOfHolder(token: ParsedToken, { end, tokens }: Tombstone): SessionEnd | null {
  const own = tokens.find(({ generation }) => generation === token.generation);
  return own && equalHashes(own.accessHash, token.hash) ? end : null;
}

export function tombstoneOf({ id, version, end, current, superseded }: CopiedRecord): Tombstone | null {
  const tokens = [...superseded, current].map(({ generation, accessHash }) => ({ generation, accessHash }));
  return end && { sessionId: id, version, end, tokens };
}

/** A session that a call ended, with the version that its record has since. */
export interface EndedSession {
  readonly sessionId: string;
  readonly userId: string;
  readonly reason: EndReason;
  readonly version: number;
  readonly tombstone: Tombstone;
}

/** A live session as a device policy sees it. Times are milliseconds since the epoch. */
export interface LiveSession {
  readonly id: string;
  readonly slot: string;
  readonly deviceType: string | null;
  readonly deviceId: string | null;
  readonly deviceName: string | null;
  readonly createdAt: number;
  /** Last use; equals createdAt until the first one. */
  readonly lastSeenAt: number;
  /** Last time that a token was presented, event streams and uncounted requests included; null for never. */
  readonly presentedAt: number | null;
}

/** The login that asks for a slot. */
export interface LoginCandidate {
  readonly sessionId: string;
  readonly deviceType: string | null;
  readonly deviceId: string | null;
  /** Session whose token came with the login request. The login ends it, against session fixation (CWE-384). */
  readonly presentedSessionId: string | null;
  readonly now: number;
}

/** Most live sessions of one account that a login looks at. */
export const MOST_SEEN = 1000;

/** Most live sessions of an account whose claims change at once. */
export const MOST_CHANGED = 1000;

/**
 * Live sessions of the account that a device policy has to see, MOST_SEEN at most. `device`: those of the login's
 * deviceId, and the one whose token came with it. `newest`: these and so many of the newest, 1 to 1,000. `all`: every one.
 */
export type PolicyNeeds = 'device' | { readonly newest: number } | 'all';

/** Selects the sessions that a login looks at. */
export interface LoginView {
  readonly needs: PolicyNeeds;
  readonly deviceId: string | null;
  /** Only a session of the same account. */
  readonly presentedSessionId: string | null;
  /** Sessions that the user has chosen to end; unknown ids and those of others are left out. */
  readonly chosenIds: readonly string[];
}

/** Sessions to end first at a limit, as the user has chosen: these, or the oldest, as many as must go. */
export type RoomToMake = readonly string[] | 'oldest';

/** Grants a slot and names the sessions to end, or refuses at a limit. */
export type SlotDecision =
  | { readonly kind: 'grant'; readonly slot: string; readonly end: readonly string[] }
  | { readonly kind: 'refuse'; readonly limit: number };
