import { defaultMessages } from '../model/session-error.js';
import type { SessionLookup } from './session-lookup.js';
import type { SessionEnd } from '../model/session.js';
import type { Replacement } from '../model/verification.js';

/** How a session ended, for people. */
export interface EndExplanation extends SessionEnd {
  /** The login that took its place, for SESSION_REPLACED. */
  readonly replacement: Replacement | null;
  readonly message: string;
}

/** Null for a session that is live or unknown. */
export async function explainEnd(lookup: SessionLookup, sessionId: string): Promise<EndExplanation | null> {
  const record = await lookup.find(sessionId);
  if (!record?.end) return null;
  const { replacedBy, reason } = record.end;
  const replacement = replacedBy === null ? null : await lookup.findReplacement(replacedBy);
  return { ...record.end, replacement, message: defaultMessages[reason] };
}
