/** The default ones, in which every request is answered. Milliseconds. */
export const VERIFY_BUDGET_MS = 1000;
export const END_BUDGET_MS = 5000;
export const BUDGETS = { verifyBudget: '1s', loginBudget: '5s', endBudget: '5s' } as const;
/** What a busy machine may add to any answer. */
export const SLACK_MS = 1500;
