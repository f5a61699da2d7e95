/** A live session as a device policy sees it. Times are milliseconds since the epoch. */
export interface LiveSession {
  readonly id: string;
  readonly slot: string;
  readonly deviceType: string | null;
  readonly deviceId: string | null;
  readonly createdAt: number;
  /** Last use; equals createdAt until the first one. Requests that do not count as a use leave it unchanged. */
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

/** Grants a slot and names the sessions to end, or refuses at a limit. */
export type SlotDecision =
  | { readonly kind: 'grant'; readonly slot: string; readonly end: readonly string[] }
  | { readonly kind: 'refuse'; readonly limit: number };
