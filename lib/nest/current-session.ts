import type { Claims } from '../core/session.js';

/** The user of the current request: the claims of the session, and the user's id. */
export type CurrentSessionUser<C extends Claims = Claims> = Readonly<C & { userId: string }>;

/** Where the session of a request is kept; a symbol, so that nothing that a client sends can be in its place. */
export const CURRENT_SESSION = Symbol('current session');
