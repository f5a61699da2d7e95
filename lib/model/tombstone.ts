import type { EndReason, SessionEnd, SessionRecord } from './session.js';
import { equalHashes } from './equal-hashes.js';
import type { ParsedToken } from './token-pair.js';

/**
 * Remains of an ended session, cached so that the holder of its token can be told why without the database. Holds no
 * data of the user, and of the tokens only the hashes that were valid until the end.
 */
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

/** Makes the tombstone of a record; null for a live one. */
export function tombstoneOf({ id, version, end, current, superseded }: SessionRecord): Tombstone | null {
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
