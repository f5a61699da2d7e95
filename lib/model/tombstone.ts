import type { EndReason, SessionEnd, SessionRecord } from './session.js';
import { equalHashes } from './equal-hashes.js';
import type { ParsedToken } from './token-pair.js';

/**
 * What is remembered of a session that has ended, so that its holder can be told why without the database: nothing of the
 * user, and of the tokens only which ones were good until the end.
 */
export interface Tombstone {
  readonly sessionId: string;
  readonly version: number;
  readonly end: SessionEnd;
  /** The access tokens that the end took away. */
  readonly tokens: readonly Readonly<{ generation: number; accessHash: string }>[];
}

export function isTombstone(found: object): found is Tombstone {
  return 'tokens' in found;
}

/** How the session of a token ended, if the token is one of those that the end took away; null for any other. */
export function endOfHolder(token: ParsedToken, { end, tokens }: Tombstone): SessionEnd | null {
  const own = tokens.find(({ generation }) => generation === token.generation);
  return own && equalHashes(own.accessHash, token.hash) ? end : null;
}

/** The tombstone of a record; null for one that lives. */
export function tombstoneOf({ id, version, end, current, superseded }: SessionRecord): Tombstone | null {
  const tokens = [...superseded, current].map(({ generation, accessHash }) => ({ generation, accessHash }));
  return end && { sessionId: id, version, end, tokens };
}

/** One session that a call ended, with the version that the end gave its record. */
export interface EndedSession {
  readonly sessionId: string;
  readonly userId: string;
  readonly reason: EndReason;
  readonly version: number;
  readonly tombstone: Tombstone;
}
