import type { ActivityRecorder } from '../journal/activity-recorder.js';
import { type LoginArguments, actorOf } from '../commands/arguments.js';
import type { Clock } from '../ports/clock.js';
import type { FailedLogin, FailedLogins } from '../journal/failed-logins.js';
import { type FieldsOf, checkFields } from '../model/checked-input.js';
import { readLimitTicket } from '../tokens/limit-ticket.js';
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
  ACTIVITY_ONLY,
  ADDRESS_ONLY,
  REFRESH_USE,
  checkUse,
  introspectionOf,
} from '../verification/token-use.js';
import { type AccountRef, type UserId, accountRef } from '../model/user-key.js';
import type { UserSession } from '../model/session.js';
import type { Verifier } from '../verification/verifier.js';

/** Options of `revokeSessions`. */
export interface RevokeOptions {
  /** Id of a session to keep: the one that changed the credentials. Default: none. */
  readonly except?: string;
  /** Actor of the change, 1 to 1,024 characters. Default: `user`. */
  readonly by?: string;
}

const REVOKE_FIELDS: FieldsOf<RevokeOptions> = { except: true, by: true };

/**
 * Issues, verifies and ends tokens, for login routes, guards and gateways. Provided by SessionModule.
 *
 * TokenService, SessionService and OperatorService share their errors. Methods reject with SessionError
 * - ARGUMENT_INVALID for an invalid argument, before anything is done;
 * - SESSION_STORE_UNAVAILABLE if the database does not answer in time;
 * - CHANGE_PENDING (ChangePendingError) if a change is committed but some node has not acknowledged it in time. A
 *   method that resolves has taken effect on every node. Repeating the call is harmless.
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
   * Marks the start of an authentication. Call it before checking the password, and pass the returned ticket to
   * `login`, which refuses logins that began before a change of credentials or claims.
   */
  async beginLogin(userId: UserId): Promise<string> {
    const account = this.account(userId);
    const { epoch } = await this.parts.repository.readAccount(account);
    return issueTicket(this.parts.keys, account, epoch);
  }

  /**
   * Opens a session for a user whom the application has authenticated, and ends those that the device policy replaces.
   * Resolves once every node refuses the replaced ones.
   * @throws SessionLimitError SESSION_LIMIT_REACHED under `overflow: 'reject'`, with a ticket for `makeRoom`
   * @throws SessionError LOGIN_CHOICE_INVALID if that ticket is void; SESSION_LIMIT_REACHED, with a `cause`, if the
   *   policy needs to see more than 1,000 live sessions; SESSION_REVOKED if the ticket of beginLogin, or
   *   authenticatedAt, predates a change of credentials, or that ticket one of claims; ACCOUNT_DISABLED for a banned account; FORBIDDEN, or the
   *   hook's own error, if beforeLogin refuses
   */
  async login(userId: UserId, ...[options = {}]: LoginArguments): Promise<LoginResult> {
    return this.parts.logins.login(this.account(userId), options);
  }

  /**
   * Reads the ticket of a SessionLimitError, which proves that its holder has proved who they are within two minutes: the
   * application need not ask for the password again. Does not use it up.
   * @throws SessionError LOGIN_CHOICE_INVALID for any other text, and after two minutes
   */
  readLimitTicket(ticket: string): { readonly userId: string } {
    const { account } = readLimitTicket(this.parts.keys, this.parts.realm, ticket, this.parts.clock.now());
    return { userId: account.userId };
  }

  /**
   * Audits a failed login, within seconds and in the background. Never throws because of the database: during floods
   * and outages, events are dropped and counted.
   * @param userId as the client sent it, truncated to 1,024 characters; null where people may have typed a password
   *   into the wrong field
   */
  recordFailedLogin(userId: UserId | null, login: FailedLogin = {}): void {
    this.parts.failedLogins.record(userId, login);
  }

  /**
   * Verifies an access token. Never rejects because of the token: see Verification for the three results. In sliding
   * mode, renews a token near its expiry and returns the successor.
   */
  async verify(token: unknown, use: TokenUse = {}): Promise<Verification> {
    const ip = checkUse(use);
    return this.parts.verifier.verify(token, {
      ip,
      strict: use.strict === true,
      activity: use.activity !== false,
      renew: true,
    });
  }

  /**
   * Synchronous, cache-only `verify`; returns null on a miss, for `verify` to decide. For hot paths. Does not count as
   * a use of the session: call `recordUse` for that.
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
    const [id, address] = [sessionIdOf(sessionId, 'sessionId'), optionalAddress(ip, 'ip')];
    checkUse(options, ACTIVITY_ONLY, 'options');
    this.notePresented(id, address, options.activity !== false);
  }

  /**
   * Exchanges a refresh token for the next pair. Within the grace period, every retry with the same token returns the
   * same pair. Counts as a use of the session unless `use.activity` is false.
   * @throws TokenRefusedError with the reason; SessionError TOO_MANY_REFRESHES if the session is refreshed faster than
   *   its old tokens expire
   */
  async refresh(refreshToken: unknown, use: RefreshUse = {}): Promise<RefreshResult> {
    return this.parts.refreshes.refresh(refreshToken, checkUse(use, REFRESH_USE), use.activity !== false);
  }

  /**
   * Introspects a token for a resource server (RFC 7662): `{ active: false }` unless it is valid. Not a use of the
   * session.
   */
  async introspect(token: unknown): Promise<Introspection> {
    const result = await this.parts.verifier.inspect(token);
    if (result.status === 'VALID') this.notePresented(result.record.id, null, false);
    return introspectionOf(result);
  }

  /**
   * Ends the session of an access or refresh token. Idempotent: accepts expired tokens, and ignores unknown ones.
   * @param use.ip address of the client, for operators: a thief can log out too
   * @returns true if this call ended it
   */
  async logout(token: unknown, use: Pick<TokenUse, 'ip'> = {}): Promise<boolean> {
    const ip = checkUse(use, ADDRESS_ONLY);
    const holder = await this.parts.verifier.findHolder(token);
    if (!holder) return false;
    this.notePresented(holder.id, ip, false);
    return this.parts.ending.logOut(holder);
  }

  /**
   * Ends the sessions of a user because the credentials changed, and refuses logins that began before (see
   * `beginLogin`). Call it together with the password change.
   * @returns how many it ended; null for more than 200, which end as one
   */
  async revokeSessions(userId: UserId, options: RevokeOptions = {}): Promise<number | null> {
    checkFields(options, 'options', REVOKE_FIELDS);
    const account = this.account(userId);
    const except = options.except === undefined ? null : sessionIdOf(options.except, 'except');
    const by = actorOf(options.by ?? 'user');
    return this.parts.ending.endAll(account, 'SESSION_REVOKED', by, { except, raiseEpoch: true });
  }

  /**
   * Calls the listener once, within `timing.pollFreshness`, when an access token is refused: it expired, was replaced
   * by its successor, its session ended, or its account was banned. For channels that outlive a request. Not a use of
   * the session. Retries while the token cannot be judged.
   * @returns function that stops watching
   */
  watch(token: string, listener: (refusal: Refusal) => void): () => void {
    const stop = this.parts.watch.watchToken(token, listener);
    // Holding the token proves that it was received.
    void this.introspect(token);
    return stop;
  }

  /** Returns the database's time, by which tokens and bans are judged, in milliseconds since the epoch. */
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
