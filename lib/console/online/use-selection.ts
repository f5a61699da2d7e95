import { useEffect, useState } from 'preact/hooks';
import type { SessionItem } from '../contract.js';

export interface SessionSelection {
  /** The rows that are selected, by session id. */
  readonly ids: ReadonlyMap<string, SessionItem>;
  /** All that match the filters, not only those that were seen. */
  readonly matching: boolean;
  readonly toggle: (row: SessionItem) => void;
  readonly togglePage: (rows: readonly SessionItem[]) => void;
  readonly selectMatching: () => void;
  readonly clear: () => void;
}

/** Selected sessions. The selection outlives paging and sorting; another filter starts a new one. */
export function useSelection(filterKey: string): SessionSelection {
  const [ids, setIds] = useState<ReadonlyMap<string, SessionItem>>(new Map());
  const [matching, setMatching] = useState(false);
  const clear = (): void => {
    setIds(new Map());
    setMatching(false);
  };
  useEffect(clear, [filterKey]);
  const change = (edit: (next: Map<string, SessionItem>) => void): void => {
    setMatching(false);
    setIds((before) => {
      const next = new Map(before);
      edit(next);
      return next;
    });
  };
  return {
    ids,
    matching,
    toggle: (row) => change((next) => void (next.delete(row.sessionId) || next.set(row.sessionId, row))),
    togglePage: (rows) =>
      change((next) => {
        const all = rows.every((row) => next.has(row.sessionId));
        for (const row of rows) {
          if (all) next.delete(row.sessionId);
          else next.set(row.sessionId, row);
        }
      }),
    selectMatching: () => setMatching(true),
    clear,
  };
}
