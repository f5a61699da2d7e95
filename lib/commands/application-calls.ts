import { withDeadline } from '../async/deadline.js';
import { SessionError, invalidArgument } from '../model/session-error.js';
import type { Claims } from '../model/session.js';
import { type AccountRef, actorText } from '../model/user-key.js';
import type { SessionRepository } from '../ports/session-repository.js';
import {
  type BeforeLogin,
  type CheckedLogin,
  type ClaimsFunction,
  type LoginAttempt,
  checkClaims,
} from './arguments.js';

/** Asks functions of the application during a login, each within the budget of the login. */
export class ApplicationCalls {
  constructor(
    private readonly parts: {
      readonly repository: Pick<SessionRepository, 'readAccount'>;
      readonly beforeLogin: BeforeLogin | null;
      /** Milliseconds. */
      readonly loginBudgetMs: number;
    },
  ) {}

  /**
   * Completes a login by claims that are to be asked for, and lets the hook beforeLogin veto it.
   * @returns the login, and the epoch of the account before the claims were asked for
   * @throws SessionError FORBIDDEN, ARGUMENT_INVALID, SESSION_STORE_UNAVAILABLE, or as the functions do
   */
  async complete(account: AccountRef, given: CheckedLogin, claims: unknown, impersonator: string | null) {
    let [input, claimsEpoch]: [CheckedLogin, number | null] = [given, null];
    if (typeof claims === 'function') {
      claimsEpoch = (await this.parts.repository.readAccount(account)).epoch;
      input = { ...given, claims: await this.askClaims(claims as ClaimsFunction) };
    }
    const { userId } = account;
    await this.askHook({ ...input, userId, impersonator: impersonator === null ? null : actorText(impersonator) });
    return { input, claimsEpoch };
  }

  private async askClaims(claims: ClaimsFunction): Promise<Claims> {
    const answer = await this.inTime(() => claims(), 'the function given as "claims"');
    // A function that forgets to return would take every role away.
    if (answer === undefined) throw invalidArgument('claims', 'must return a plain JSON object');
    return checkClaims(answer);
  }

  private async askHook(login: LoginAttempt): Promise<void> {
    const { beforeLogin } = this.parts;
    if (!beforeLogin) return;
    // A copy, so that changes by the hook cannot reach the record unchecked.
    const attempt = structuredClone(login);
    const answer = await this.inTime(() => beforeLogin(attempt), 'hooks.beforeLogin');
    if (answer === false) throw new SessionError('FORBIDDEN');
    // Any other value is no consent: it may be meant as a refusal.
    if (answer !== true && answer !== undefined) {
      const message = `hooks.beforeLogin returned ${typeof answer}; it must return true, false or nothing, or throw.`;
      throw new SessionError('CONFIGURATION_INVALID', message);
    }
  }

  private inTime<T>(ask: () => T | Promise<T>, name: string): Promise<T> {
    const { loginBudgetMs } = this.parts;
    const late = () => {
      const cause = new Error(`${name} did not answer within ${loginBudgetMs} ms`);
      return new SessionError('SESSION_STORE_UNAVAILABLE', undefined, { cause });
    };
    return withDeadline(Promise.resolve().then(ask), loginBudgetMs, late);
  }
}
