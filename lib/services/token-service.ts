import type { ActivityRecorder } from '../journal/activity-recorder.js';
import { type LoginArguments, actorOf } from '../commands/arguments.js';
import type { Clock } from '../ports/clock.js';
import type { FailedLogin, FailedLogins } from '../journal/failed-logins.js';
import { type FieldsOf, checkFields } from '../model/checked-input.js';
import { issueTicket } from '../tokens/login-ticket.js';
import type { Logins, LoginResult } from '../commands/login.js';
import { optionalAddress } from '../model/ip-key.js';
import type { RefreshResult, Refreshes } from '../commands/refresh.js';
import type { Refusal, Verification } from '../model/verification.js';
import type { SecretKeys } from '../tokens/secret-keys.js';
import type { SessionEnding } from '../commands/end.js';
import type { SessionRepository } from '../ports/session-repository.js';
import type { SessionWatch } from '../verification/session-watch.js';
import { sessionIdOf } from '../tokens/token-codec.js';
import {
  type Introspection,
  type RefreshUse,
  type TokenUse,
  addressIn,
  checkRefreshUse,
  checkUse,
  countsAsUse,
  introspectionOf,
} from '../verification/token-use.js';
import { type AccountRef, type UserId, accountRef } from '../model/user-key.js';
import type { UserSession } from '../model/session.js';
import type { Verifier } from '../verification/verifier.js';

/** Options of `revokeSessions`. */
export interface RevokeOptions {
  /** Id of the session in which the credentials were changed: it goes on. Default: none goes on. */
  readonly except?: string;
  /** Who changed them, 1 to 1,024 characters. Default: `user`. */
  readonly by?: string;
}

const REVOKE_FIELDS: FieldsOf<RevokeOptions> = { except: true, by: true };

/**
 * Issues, verifies and ends tokens: for login routes, guards and gateways of an application. Provided by SessionModule.
 *
 * The methods of TokenService, SessionService and OperatorService share their errors. Each rejects with SessionError
 * - ARGUMENT_INVALID, before anything is done, for an argument that it does not understand;
 * - SESSION_STORE_UNAVAILABLE when it needs the database and cannot reach it in time;
 * - CHANGE_PENDING (ChangePendingError) when a change is recorded and some node has not acknowledged it in time. A method that
 *   resolves has changed the answers of every node. Repeating the call is harmless.
 */
export class TokenService {
  constructor(
    private readonly parts: {
      readonly realm: string;
      readonly keys: SecretKeys;
      readonly repository: Pick<SessionRepository, 'readAccount'>;
      readonly verifier: Verifier;
      readonly watch: SessionWatch;
      readonly logins: Logins;
      readonly refreshes: Refreshes;
      readonly ending: SessionEnding;
      readonly failedLogins: FailedLogins;
      readonly activity: ActivityRecorder;
      readonly clock: Clock;
    },
  ) {}

  /**
   * Marks the beginning of an authentication. Call it before the password is checked, and pass the returned ticket to `login`:
   * a login that began before a change of credentials is then refused after it.
   */
  async beginLogin(userId: UserId): Promise<string> {
    const account = this.account(userId);
    const { epoch } = await this.parts.repository.readAccount(account);
    return issueTicket(this.parts.keys, account, epoch);
  }

  /**
   * Opens a session for a user whom the application has authenticated, and ends those that the device policy replaces. Resolves
   * when every node refuses the replaced ones.
   * @throws SessionError SESSION_LIMIT_REACHED under `overflow: 'reject'`; SESSION_REVOKED if the ticket, or authenticatedAt, is
   *   older than a change of credentials; ACCOUNT_DISABLED for a banned account; FORBIDDEN, or its own error, if the hook
   *   beforeLogin refuses
   */
  async login(userId: UserId, ...[options = {}]: LoginArguments): Promise<LoginResult> {
    return this.parts.logins.login(this.account(userId), options);
  }

  /**
   * Records a failed login in the audit trail, within seconds and in the background. Never throws because of the database: when
   * too many arrive at once, or it is down, some are dropped and counted.
   * @param userId as the client sent it, cut to 1,024 characters. Pass null where people may have typed a password into the
   *   wrong field
   */
  recordFailedLogin(userId: UserId | null, login: FailedLogin = {}): void {
    this.parts.failedLogins.record(userId, login);
  }

  /**
   * Verifies an access token. Never rejects because of the token: see Verification for the three answers. In sliding mode a token
   * near its end is renewed, and the answer holds its successor.
   */
  async verify(token: unknown, use: TokenUse = {}): Promise<Verification> {
    const ip = checkUse(use);
    return this.parts.verifier.verify(token, { ip, strict: use.strict === true, activity: use.activity !== false });
  }

  /**
   * Synchronous, cache-only `verify`; returns null on a miss, for `verify` to decide. For hot paths. It does not count as a use
   * of the session: call `recordUse` for that.
   */
  verifyInMemory(token: string): UserSession | null {
    return this.parts.verifier.fromMemory(token);
  }

  /**
   * Records a use of a session, as `verify` does.
   * @param ip address of the client
   * @param options.activity see TokenUse
   */
  recordUse(sessionId: string, ip: string | null = null, options: Pick<TokenUse, 'activity'> = {}): void {
    this.notePresented(sessionIdOf(sessionId, 'sessionId'), optionalAddress(ip, 'ip'), countsAsUse(options));
  }

  /**
   * Exchanges a refresh token for the next pair. Within grace every retry with the same token returns the same pair. Counts as a
   * use of the session unless `use.activity` is false.
   * @throws TokenRefusedError with the reason; SessionError TOO_MANY_REFRESHES if the session is refreshed faster than its
   *   old tokens expire
   */
  async refresh(refreshToken: unknown, use: RefreshUse = {}): Promise<RefreshResult> {
    return this.parts.refreshes.refresh(refreshToken, checkRefreshUse(use), use.activity !== false);
  }

  /** Answers a resource server about a token (RFC 7662): `{ active: false }` unless it is valid. Not a use of the session. */
  async introspect(token: unknown): Promise<Introspection> {
    const result = await this.parts.verifier.inspect(token);
    if (result.status === 'VALID') this.notePresented(result.record.id, null, false);
    return introspectionOf(result);
  }

  /**
   * Ends the session of an access or refresh token. Idempotent: an expired token logs out too, and an unknown one is ignored.
   * @param use.ip address of the client, for operators: a thief can log out as well
   * @returns whether this call ended it
   */
  async logout(token: unknown, use: Pick<TokenUse, 'ip'> = {}): Promise<boolean> {
    const ip = addressIn(use);
    const holder = await this.parts.verifier.findHolder(token);
    if (!holder) return false;
    this.notePresented(holder.id, ip, false);
    return this.parts.ending.logOut(holder);
  }

  /**
   * Ends the sessions of a user because the credentials changed, and refuses logins that began before (see `beginLogin`). Call it
   * in the step that changes the password.
   * @returns how many it ended
   */
  async revokeSessions(userId: UserId, options: RevokeOptions = {}): Promise<number> {
    checkFields(options, 'options', REVOKE_FIELDS);
    const account = this.account(userId);
    const except = options.except === undefined ? null : sessionIdOf(options.except, 'except');
    const by = actorOf(options.by ?? 'user');
    return this.parts.ending.endAll(account, 'SESSION_REVOKED', by, { except, raiseEpoch: true });
  }

  /**
   * Calls the listener once, within `timing.pollFreshness`, when an access token is refused: it expired, was replaced by its
   * successor, its session ended, or its account was banned. For channels that outlive a request. Not a use of the session.
   * While the token cannot be judged, it is looked at again.
   * @returns a function that stops watching
   */
  watch(token: string, listener: (refusal: Refusal) => void): () => void {
    const stop = this.parts.watch.watchToken(token, listener);
    // Whoever holds it has received it.
    void this.introspect(token);
    return stop;
  }

  /** The time of the database, by which tokens and bans are judged. Milliseconds since the epoch. */
  now(): number {
    return this.parts.clock.now();
  }

  private notePresented(sessionId: string, ip: string | null, counts: boolean): void {
    this.parts.activity.record(sessionId, this.parts.clock.now(), ip, counts);
  }

  private account(userId: UserId): AccountRef {
    return accountRef(this.parts.realm, userId);
  }
}
