import type { EndReason, SessionPatch } from './session.js';
import type { SessionEventType } from './session-event.js';

/** Audit event about the session that is being changed. */
export interface EventDraft {
  readonly type: SessionEventType;
  /** Default: the user of the session. */
  readonly actor?: string;
  readonly ip?: string | null;
  readonly reason?: EndReason | null;
  readonly detail?: Readonly<Record<string, unknown>>;
}

/**
 * Outcome for a locked session: a patch, an end (which voids a patch beside it), or neither. Events are written only
 * with one of the two.
 */
export interface SessionDecision<T> {
  readonly result: T;
  readonly patch?: SessionPatch;
  /** `at` defaults to now. */
  readonly end?: EndRequest & { readonly at?: number };
  readonly events?: readonly EventDraft[];
}

/** Reason and actor of an end. */
export interface EndRequest {
  readonly reason: EndReason;
  /** 1 to 255 characters. */
  readonly by: string;
  /** The operator's words for the audit trail, at most 255 characters. */
  readonly comment?: string | null;
}
