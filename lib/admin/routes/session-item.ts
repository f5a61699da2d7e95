import type { ListedField, ListedTime } from '../../model/session-fields.js';
import type { EndReason, SessionDetails } from '../../model/session.js';

/** The fields of a session that are shown as they are described. Times are ISO 8601. */
export type ListedFields = { readonly [Name in ListedField]: Name extends ListedTime ? string : SessionDetails[Name] };

export interface SessionItem extends ListedFields {
  readonly sessionId: string;
  readonly userId: string;
  readonly username: string | null;
  readonly avatarUrl: string | null;
  /** True for the operator's own session. */
  readonly current: boolean;
}

export interface Successor {
  readonly sessionId: string;
  readonly deviceType: string | null;
  readonly deviceName: string | null;
  /** Null if its record is gone. */
  readonly createdAt: string | null;
}

export interface EndItem {
  readonly endReason: EndReason;
  readonly endedAt: string;
  readonly endedBy: string;
  /** The operator's words. */
  readonly endComment: string | null;
  readonly replacedBy: Successor | null;
}
