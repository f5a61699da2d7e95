import type { BanOptions, BanResult, LiftBanOptions } from '../commands/account-control.js';
import type { Ban } from '../model/ban.js';
import type { DataStore } from '../commands/data-store.js';
import type { EndExplanation } from '../verification/session-lookup.js';
import type { FailedLogin } from '../journal/failed-logins.js';
import type { LoginResult } from '../commands/login-flow.js';
import { type ImpersonationOptions, type LoginOptions, impersonationOf } from '../commands/login-input.js';
import { optionalAddress } from '../model/ip-key.js';
import { issueTicket } from '../tokens/login-ticket.js';
import { SessionEnds } from './session-ends.js';
import { type Claims, type UserSession, type SessionEnd, type SessionWithEnd, toSession } from '../model/session.js';
import { sessionIdOf } from '../tokens/token-codec.js';
import type { RefreshResult } from '../commands/token-refresh.js';
import type { TokenServiceParts } from './token-service-parts.js';
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
import type { Refusal, Verification } from '../model/verification.js';

/**
 * Logins of one realm: give them out, check them, list them and end them. A plain class, made by SessionModule.
 *
 * Every method that needs the database rejects with SessionError SESSION_STORE_UNAVAILABLE when it cannot be reached in
 * time, and with ARGUMENT_INVALID, before anything is done, for an argument that it does not understand. Methods that end
 * sessions resolve when no server accepts them any more, and reject with ChangePendingError if that cannot be acknowledged in
 * time; the end is recorded then, and repeating the call is harmless.
 */
export class TokenService extends SessionEnds {
  constructor(private readonly parts: TokenServiceParts) {
    super(parts);
  }

  /**
   * Marks the beginning of an authentication. Call it before the password is checked, and pass the result to `login` as
   * `ticket`: a login whose password was checked before a password change or a kick-all then cannot land after it.
   */
  async beginLogin(userId: UserId): Promise<string> {
    const account = this.account(userId);
    const { epoch } = await this.parts.repository.readAccount(account);
    return issueTicket(this.parts.keys, account, epoch);
  }

  /**
   * Opens a session for a user whom the application has authenticated, and ends those that the device policy says.
   * Resolves when the ended ones are refused everywhere.
   * @throws SessionError SESSION_LIMIT_REACHED under `reject`; SESSION_REVOKED if the ticket, or authenticatedAt, is from
   *   before a change of credentials; ACCOUNT_DISABLED for a banned account; FORBIDDEN, or what it throws, if the
   *   application's beforeLogin hook refuses
   */
  async login(userId: UserId, options: LoginOptions = {}): Promise<LoginResult> {
    return this.parts.loginFlow.login(this.account(userId), options);
  }

  /**
   * Notes a login that failed, for operators: in the audit trail, within seconds. Costs the caller nothing and never throws for
   * the sake of the database; when too many come at once, or it cannot be reached, some are dropped and counted.
   * @param userId what the client said, which may be anything: longer text than a user id is cut. Null for nobody, and better
   *   so where people may have typed a password into the wrong field
   * @throws SessionError ARGUMENT_INVALID for values of a wrong type
   */
  recordFailedLogin(userId: UserId | null, login: FailedLogin = {}): void {
    this.parts.failedLogins.record(userId, login);
  }

  /**
   * Opens a session as a user, for an operator. It is marked with the operator in lists, in CurrentSession and in the audit
   * trail, stands beside the user's own sessions and ends none of them, and nothing prolongs it. Check the operator's rights
   * before.
   * @throws SessionError as login does
   */
  async impersonate(userId: UserId, options: ImpersonationOptions): Promise<LoginResult> {
    const account = this.account(userId);
    const impersonation = impersonationOf(options);
    const { userName, deviceType, deviceName, ip, userAgent, claims } = options;
    const login = { userName, loginMethod: 'impersonation', deviceType, deviceName, ip, userAgent, claims };
    return this.parts.loginFlow.login(account, login, impersonation);
  }

  /**
   * Whether a token is good. Never rejects for a token: see Verification for the three answers. In sliding mode a use near
   * the token's end renews it, and the answer holds the new one.
   */
  async verify(token: unknown, use: TokenUse = {}): Promise<Verification> {
    const ip = checkUse(use);
    return this.parts.verifier.verify(token, { ip, strict: use.strict === true, activity: use.activity !== false });
  }

  /**
   * The session of an access token that this process knows to be good, in the same turn and with no I/O, or null for a token
   * that `verify` has to look at: the fast way for a caller that has many requests with the same tokens. It does not count
   * as a use of the session; see `recordUse`.
   */
  verifyInMemory(token: string): UserSession | null {
    return this.parts.verifier.fromMemory(token);
  }

  /**
   * Notes that a session was used, as `verify` does.
   * @param ip address of the client
   * @param options.activity see TokenUse
   */
  recordUse(sessionId: string, ip: string | null = null, options: Pick<TokenUse, 'activity'> = {}): void {
    this.notePresented(sessionIdOf(sessionId, 'sessionId'), optionalAddress(ip, 'ip'), countsAsUse(options));
  }

  /**
   * Exchanges a refresh token for the next pair. Within grace, every retry with the same token gets the same pair. It counts as a
   * use of the session unless `use.activity` is false, as for a client that says so: see the option `headers.noActivity`.
   * @throws TokenRefusedError with the reason; SessionError TOO_MANY_REFRESHES if the session is renewed faster than its
   *   old tokens run out, SESSION_STORE_UNAVAILABLE
   */
  async refresh(refreshToken: unknown, use: RefreshUse = {}): Promise<RefreshResult> {
    return this.parts.tokenRefresh.refresh(refreshToken, checkRefreshUse(use), use.activity !== false);
  }

  /** What a resource server may know of a token (RFC 7662): nothing at all unless it is good. Not counted as a use. */
  async introspect(token: unknown): Promise<Introspection> {
    const result = await this.parts.verifier.inspect(token);
    if (result.status === 'VALID') this.notePresented(result.record.id, null, false);
    return introspectionOf(result);
  }

  /**
   * The live sessions of a user, newest first, at most 1,000. Those that operators opened as the user are among them: show users
   * which they are by `impersonator`, whose id is for operators.
   */
  async listSessions(userId: UserId): Promise<readonly UserSession[]> {
    const records = await this.parts.repository.listLiveSessions(this.account(userId));
    return records.map((record) => this.withPendingUse(toSession(record)));
  }

  /** One session of this realm, live or ended, or null. */
  async findSession(sessionId: string): Promise<SessionWithEnd | null> {
    const [record] = await this.parts.repository.findSessions([sessionIdOf(sessionId, 'sessionId')]);
    return record ? this.withPendingUse(toSession(record)) : null;
  }

  /** Why a session ended: reason, time, actor and successor, from the record. Null for a live or unknown one. */
  async explainEnd(sessionId: string): Promise<EndExplanation | null> {
    return this.parts.lookup.explainEnd(sessionIdOf(sessionId, 'sessionId'));
  }

  /**
   * Notes that the user has proved again who they are, in this session (step-up): check the password first. RequireFresh
   * lets it pass for a while from then on.
   * @throws SessionError SESSION_NOT_FOUND unless the session is live
   */
  async reauthenticate(sessionId: string, use: Pick<TokenUse, 'ip'> = {}): Promise<UserSession> {
    return this.parts.changes.reauthenticate(sessionIdOf(sessionId, 'sessionId'), addressIn(use));
  }

  /**
   * Replaces the claims of a live session, such as roles that have changed. Every request that starts afterwards sees them.
   * @throws SessionError SESSION_NOT_FOUND unless the session is live
   */
  async updateClaims(sessionId: string, claims: Claims): Promise<UserSession> {
    return this.parts.changes.updateClaims(sessionIdOf(sessionId, 'sessionId'), claims);
  }

  /** Bans a user from everything, or from one service. It takes the place of the ban that there is for the same. */
  async ban(userId: UserId, options: BanOptions): Promise<BanResult> {
    return this.parts.accounts.ban(this.account(userId), options);
  }

  /** @returns whether there was such a ban */
  async liftBan(userId: UserId, options: LiftBanOptions): Promise<boolean> {
    return this.parts.accounts.liftBan(this.account(userId), options);
  }

  /** The bans of a user that are in force. */
  async listBans(userId: UserId): Promise<readonly Ban[]> {
    return this.parts.accounts.listBans(this.account(userId), this.now());
  }

  /** Key-values of one login. Writable while the session lives; gone with it, unless `onReplace` keeps them. */
  sessionData(sessionId: string): DataStore {
    return this.parts.data.session(sessionIdOf(sessionId, 'sessionId'));
  }

  /** Key-values of a user, shared by all devices. They outlive sessions. */
  accountData(userId: UserId): DataStore {
    return this.parts.data.account(this.account(userId));
  }

  /**
   * Calls the listener once when a session has ended, within `timing.pollFreshness`: for channels that outlive a request,
   * such as sockets and server-sent events. It is given null where the session ran out and nobody ended it. Whoever opened the
   * channel holds the token: the session is not taken for an abandoned login.
   * @returns a function that stops watching
   */
  watchSession(sessionId: string, listener: (end: SessionEnd | null) => void): () => void {
    const stop = this.parts.watch.watch(sessionIdOf(sessionId, 'sessionId'), listener);
    this.notePresented(sessionId, null, false);
    return stop;
  }

  /**
   * Calls the listener once when an access token is not good any more, within `timing.pollFreshness`, with the reason: it ran out,
   * was replaced by its successor, its session ended, or its account was banned. For channels that outlive a request. It is no use
   * of the session. While that cannot be found out, it is looked at again the next time.
   * @returns a function that stops watching
   */
  watchToken(token: string, listener: (refusal: Refusal) => void): () => void {
    const stop = this.parts.watch.watchToken(token, listener);
    // Whoever holds it has received it.
    void this.introspect(token);
    return stop;
  }

  /** The time of the database, by which everything here is judged. Milliseconds since the epoch. */
  now(): number {
    return this.parts.clock.now();
  }

  /** A session with uses that this node knows of and has not written yet. */
  withPendingUse<T extends UserSession>(session: T): T {
    const use = this.parts.activity.peek(session.id);
    if (!use) return session;
    const lastSeenAt = this.parts.activity.lastUse(session);
    return {
      ...session,
      lastSeenAt,
      lastIp: use.at < session.lastSeenAt ? session.lastIp : (use.ip ?? session.lastIp),
    };
  }

  private notePresented(sessionId: string, ip: string | null, counts: boolean): void {
    this.parts.activity.record(sessionId, this.parts.clock.now(), ip, counts);
  }

  private account(userId: UserId): AccountRef {
    return accountRef(this.parts.realm, userId);
  }
}
