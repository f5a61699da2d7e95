import type { EndReason, SessionPatch } from './session.js';
import type { SessionEventType } from './session-event.js';

/** A line for the audit trail about the session that is changed. */
export interface EventDraft {
  readonly type: SessionEventType;
  /** Default: the user of the session. */
  readonly actor?: string;
  readonly ip?: string | null;
  readonly reason?: EndReason | null;
  readonly detail?: Readonly<Record<string, unknown>>;
}

/**
 * The outcome for a locked session: a change, or an end, which makes a change beside it void, or neither. Events are
 * written with one of the two only.
 */
export interface SessionDecision<T> {
  readonly result: T;
  readonly patch?: SessionPatch;
  /** `at`: default now. */
  readonly end?: EndRequest & { readonly at?: number };
  readonly events?: readonly EventDraft[];
}

/** Why and by whom sessions end. */
export interface EndRequest {
  readonly reason: EndReason;
  /** 1 to 255 characters. */
  readonly by: string;
  /** Why, in words, for the audit trail; at most 255 characters. */
  readonly comment?: string | null;
}
