import { useEffect, useState } from 'preact/hooks';
import { useConsole } from '../../console-context.js';
import type { EventItem, Page, SessionItem } from '../../contract.js';
import { useLive } from './use-live.js';

export interface LiveChanges {
  /** Why each session ended that has ended since the rows were loaded, by session id. */
  readonly ended: ReadonlyMap<string, string>;
  /** Logins since then that may belong into the list. */
  readonly fresh: number;
  /** Something changed that cannot be told row by row. */
  readonly stale: boolean;
}

const NONE: LiveChanges = { ended: new Map(), fresh: 0, stale: false };

/**
 * What became of the rows of a list of live sessions. Rows do not move or vanish under the cursor: they are marked.
 * @param rows as loaded; other rows start anew
 */
export function useLiveSessions(
  rows: readonly SessionItem[] | undefined,
  belongs: (event: EventItem) => boolean,
): LiveChanges {
  const { api } = useConsole();
  const [changes, setChanges] = useState(NONE);
  useEffect(() => setChanges(NONE), [rows]);
  const mark = (sessionIds: readonly string[], reason: string): void =>
    setChanges((before) => ({
      ...before,
      ended: new Map([...before.ended, ...sessionIds.map((id) => [id, reason] as const)]),
    }));
  const setStale = (): void => setChanges((before) => ({ ...before, stale: true }));

  /** Some ends of "all" spare one session, so the server is asked which are left. */
  const lookAgain = async (userId: string, reason: string): Promise<void> => {
    const shown = rows!.filter((row) => row.userId === userId).map((row) => row.sessionId);
    if (shown.length === 0) return;
    const path = `/users/${encodeURIComponent(userId)}/sessions`;
    const { items } = await api.get<Page<SessionItem>>(path, { limit: 200 });
    const left = new Set(items.map((item) => item.sessionId));
    mark(
      shown.filter((id) => !left.has(id)),
      reason,
    );
  };

  useLive((message) => {
    if (rows === undefined || message.kind === 'online') return;
    if (message.kind === 'overflow') return setStale();
    const { event } = message;
    const reason = event.reason ?? event.type;
    if (event.type === 'SESSION_ENDED' && event.sessionId !== null) {
      if (rows.some((row) => row.sessionId === event.sessionId)) mark([event.sessionId], reason);
    } else if (event.type === 'ACCOUNT_SESSIONS_ENDED' && event.userId !== null) {
      lookAgain(event.userId, reason).catch(setStale);
    } else if (event.type === 'BULK_KICK' || event.type === 'REALM_SESSIONS_ENDED') setStale();
    else if (belongs(event) && !rows.some((row) => row.sessionId === event.sessionId))
      setChanges((before) => ({ ...before, fresh: before.fresh + 1 }));
  });
  return changes;
}
