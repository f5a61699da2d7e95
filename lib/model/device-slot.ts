/** A live session of the account, as a policy sees it. Times in milliseconds since the epoch. */
export interface LiveSession {
  readonly id: string;
  readonly slot: string;
  readonly deviceType: string | null;
  readonly deviceId: string | null;
  readonly createdAt: number;
  /** Last use; equals createdAt until the first one. Requests that do not count as a use leave it as it is. */
  readonly lastSeenAt: number;
  /** When a token of it was last presented, be it for an event stream or a request that is no use; null for never. */
  readonly presentedAt: number | null;
}

/** The login that asks for a slot. */
export interface LoginCandidate {
  readonly sessionId: string;
  readonly deviceType: string | null;
  readonly deviceId: string | null;
  /** Session whose token came with the login request; a login ends the one that it is made with (CWE-384). */
  readonly presentedSessionId: string | null;
  readonly now: number;
}

/** The slot that a login takes and the sessions that make way for it, or a refusal at a limit. */
export type SlotDecision =
  | { readonly kind: 'grant'; readonly slot: string; readonly end: readonly string[] }
  | { readonly kind: 'refuse'; readonly limit: number };
