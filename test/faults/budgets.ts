/** The default ones, in which every request is answered. Milliseconds. */
export const VERIFY_BUDGET_MS = 1000;
export const END_BUDGET_MS = 5000;
/** What a busy machine may add to any answer. */
export const SLACK_MS = 1500;
