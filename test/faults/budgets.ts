/** Longer than the default of 1 s, so that a busy machine makes no answer fail. Milliseconds. */
export const VERIFY_BUDGET_MS = 3000;
export const END_BUDGET_MS = 5000;
export const BUDGETS = { verifyBudget: '3s', loginBudget: '5s', endBudget: '5s' } as const;
/** What a busy machine may add to any answer. */
export const SLACK_MS = 1500;
