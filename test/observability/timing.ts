/** Short enough to see an outage from its beginning to its end, long enough for a busy machine. */
export const TIMING = {
  poll: '100ms',
  pollFreshness: '1s',
  outageGrace: '3s',
  verifyBudget: '500ms',
  endBudget: '2s',
  activityFlush: '1h',
} as const;
