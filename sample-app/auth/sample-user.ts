import type { CurrentSessionUser } from 'nestjs-latchkey';

/** What every request is told about its user: what AuthService gave as claims at the login, and the user id. */
export type SampleUser = CurrentSessionUser<{ readonly username: string; readonly roles: readonly string[] }>;
