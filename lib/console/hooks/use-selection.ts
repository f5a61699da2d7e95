import { useEffect, useState } from 'preact/hooks';
import type { SessionItem } from '../contract.js';

export interface SessionSelection {
  readonly ids: ReadonlySet<string>;
  /** All that match the filters, not only those that were seen. */
  readonly matching: boolean;
  readonly toggle: (row: SessionItem) => void;
  readonly togglePage: (rows: readonly SessionItem[]) => void;
  readonly selectMatching: () => void;
  readonly clear: () => void;
}

/** Selected sessions. The selection outlives paging and sorting; another filter starts a new one. */
export function useSelection(filterKey: string): SessionSelection {
  const [ids, setIds] = useState<ReadonlySet<string>>(new Set());
  const [matching, setMatching] = useState(false);
  const clear = (): void => {
    setIds(new Set());
    setMatching(false);
  };
  useEffect(clear, [filterKey]);
  const change = (edit: (next: Set<string>) => void): void => {
    setMatching(false);
    setIds((before) => {
      const next = new Set(before);
      edit(next);
      return next;
    });
  };
  return {
    ids,
    matching,
    toggle: ({ sessionId }) => change((next) => void (next.delete(sessionId) || next.add(sessionId))),
    togglePage: (rows) =>
      change((next) => {
        const all = rows.every((row) => next.has(row.sessionId));
        for (const { sessionId } of rows) next[all ? 'delete' : 'add'](sessionId);
      }),
    selectMatching: () => setMatching(true),
    clear,
  };
}
