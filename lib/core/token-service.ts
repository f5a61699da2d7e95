import type { ActivityRecorder } from './activity-recorder.js';
import type { Clock } from './clock.js';
import type { EndReason } from './end-reason.js';
import type { LoginFlow } from './login-flow.js';
import { type LoginOptions, addressOfUse, checkLogin, checkTime } from './login-input.js';
import { issueTicket, readTicket } from './login-ticket.js';
import type { SecretKeys } from './secret-keys.js';
import type { SessionEnding } from './session-ending.js';
import { SessionError, invalidArgument } from './session-error.js';
import type { SessionRepository } from './session-repository.js';
import { type EndedSession, type Session, type SessionWithEnd, toSession } from './session.js';
import { isSessionId } from './token-codec.js';
import { type AccountRef, type UserId, accountRef } from './user-key.js';
import type { EndConfirmation } from './verification-cache.js';
import type { Verification } from './verification.js';
import type { Verifier } from './verifier.js';

/** What a login gives. */
export interface LoginResult {
  /** Give it to the client; it is stored nowhere. */
  readonly accessToken: string;
  /** When the access token ends, in milliseconds since the epoch. */
  readonly accessExpiresAt: number;
  /** Seconds from now to that end, rounded. */
  readonly expiresIn: number;
  readonly session: Session;
  /** The sessions that this login ended. */
  readonly ended: readonly EndedSessionSummary[];
}

export interface EndedSessionSummary {
  readonly sessionId: string;
  readonly reason: EndReason;
}

/** What a TokenService is made of. */
export interface TokenServiceParts {
  readonly realm: string;
  readonly keys: SecretKeys;
  readonly repository: SessionRepository;
  readonly verifier: Verifier;
  readonly loginFlow: LoginFlow;
  readonly ending: SessionEnding;
  readonly confirmation: EndConfirmation;
  readonly activity: ActivityRecorder;
  readonly clock: Clock;
}

/**
 * Logins of one realm: give them out, check them, list them and end them. A plain class, made by SessionModule.
 *
 * Every method that needs the database rejects with SessionError SESSION_STORE_UNAVAILABLE when it cannot be reached in
 * time, and with ARGUMENT_INVALID, before anything is done, for an argument that it does not understand. Methods that end
 * sessions resolve when no server accepts them any more, and reject with EndPendingError if that cannot be confirmed in
 * time; the end is recorded then, and repeating the call is harmless.
 */
export class TokenService {
  constructor(private readonly parts: TokenServiceParts) {}

  /**
   * Marks the beginning of an authentication. Call it before the password is checked, and pass the result to `login` as
   * `ticket`: a login whose password was checked before a password change or a kick-all then cannot land after it.
   */
  async beginLogin(userId: UserId): Promise<string> {
    const account = this.account(userId);
    return issueTicket(this.parts.keys, account, await this.parts.repository.readEpoch(account));
  }

  /**
   * Opens a session for a user whom the application has authenticated, and ends those that the device policy says.
   * Resolves when the ended ones are refused everywhere.
   * @throws SessionError SESSION_LIMIT_REACHED under `reject`; SESSION_REVOKED if the ticket is from before a change of
   *   credentials
   */
  async login(userId: UserId, options: LoginOptions = {}): Promise<LoginResult> {
    const account = this.account(userId);
    const input = checkLogin(options);
    const { clock, ending, keys, loginFlow, verifier } = this.parts;
    const ticketEpoch = options.ticket === undefined ? null : readTicket(keys, account, options.ticket);
    const presented = await verifier.findHolder(options.presentedToken);
    const { token, outcome } = await loginFlow.record({
      account,
      input,
      authenticatedAt: checkTime(options.authenticatedAt, 'authenticatedAt'),
      ticketEpoch,
      presentedSessionId: presented?.id ?? null,
    });
    if (outcome.ended.length > 0 || presented) await this.confirmReplaced(outcome.ended);
    if (outcome.kind === 'limit-reached') throw new SessionError('SESSION_LIMIT_REACHED');
    if (outcome.kind === 'superseded') throw new SessionError('SESSION_REVOKED');
    if (presented && !presented.end && presented.userKey !== account.key) await ending.logOut(presented);
    const { session } = outcome;
    return {
      accessToken: token,
      accessExpiresAt: session.accessExpiresAt,
      expiresIn: Math.max(0, Math.round((session.accessExpiresAt - clock.now()) / 1000)),
      session: toSession({
        ...session,
        version: 1,
        generation: 1,
        lastSeenAt: session.createdAt,
        lastIp: null,
        end: null,
      }),
      ended: outcome.ended.map(({ sessionId, reason }) => ({ sessionId, reason })),
    };
  }

  /**
   * Whether a token is good. Never rejects: see Verification for the three answers.
   * @param use where it was used from; noted as the session's last activity
   */
  async verify(token: unknown, use: { readonly ip?: string | null } = {}): Promise<Verification> {
    const result = await this.parts.verifier.verify(token);
    if (result.status === 'VALID') {
      this.parts.activity.record(result.session.id, this.parts.clock.now(), addressOfUse(use.ip));
    }
    return result;
  }

  /**
   * Ends the session of a token. Idempotent, and silent about tokens that are unknown: an expired token logs out, a
   * session that has ended stays as it is.
   * @returns whether this call ended it
   */
  async logout(token: unknown): Promise<boolean> {
    const holder = await this.parts.verifier.findHolder(token);
    return holder !== null && (await this.parts.ending.logOut(holder));
  }

  /**
   * Ends one session of a user, for "my devices". False, and nothing done, if the user has no such live session; another
   * user's session is the same as an unknown one.
   */
  async logoutSession(userId: UserId, sessionId: string): Promise<boolean> {
    const account = this.account(userId);
    if (!isSessionId(sessionId)) return false;
    return this.parts.ending.endOne(sessionId, 'SESSION_LOGGED_OUT', account.userId, account);
  }

  /** Ends every session of a user but one, as that user's wish. @returns how many it ended */
  async logoutOthers(userId: UserId, keepSessionId: string): Promise<number> {
    const account = this.account(userId);
    const except = sessionIdOf(keepSessionId, 'keepSessionId');
    return this.parts.ending.endAll(account, 'SESSION_LOGGED_OUT', account.userId, { except, raiseEpoch: false });
  }

  /** Ends every session of a user, as that user's wish. @returns how many it ended */
  async logoutAll(userId: UserId): Promise<number> {
    const account = this.account(userId);
    return this.parts.ending.endAll(account, 'SESSION_LOGGED_OUT', account.userId, { except: null, raiseEpoch: false });
  }

  /**
   * Ends the sessions of a user because the credentials changed, and refuses logins that began before (see beginLogin).
   * Call it in the step that changes the password.
   * @param options.except id of the session in which the change was made, which goes on
   * @param options.by who changed them, default the user
   * @returns how many it ended
   */
  async revokeSessions(userId: UserId, options: { except?: string; by?: string } = {}): Promise<number> {
    const account = this.account(userId);
    const except = options.except === undefined ? null : sessionIdOf(options.except, 'except');
    const by = actorOf(options.by ?? 'user');
    return this.parts.ending.endAll(account, 'SESSION_REVOKED', by, { except, raiseEpoch: true });
  }

  /** Ends one session as an operator. @returns whether this call ended it; false for an unknown or ended one */
  async kickSession(sessionId: string, options: { by: string }): Promise<boolean> {
    const by = actorOf(options?.by);
    return this.parts.ending.endOne(sessionIdOf(sessionId, 'sessionId'), 'SESSION_KICKED', by);
  }

  /**
   * Ends every session of a user as an operator, and refuses logins that began before (see beginLogin).
   * @returns how many it ended
   */
  async kickUser(userId: UserId, options: { by: string }): Promise<number> {
    return this.parts.ending.endAll(this.account(userId), 'SESSION_KICKED', actorOf(options?.by), {
      except: null,
      raiseEpoch: true,
    });
  }

  /** The live sessions of a user, newest first, at most 1,000. */
  async listSessions(userId: UserId): Promise<readonly Session[]> {
    const records = await this.parts.repository.listLiveSessions(this.account(userId));
    return records.map((record) => this.withPendingUse(toSession(record)));
  }

  /** One session of this realm, live or ended, or null. */
  async findSession(sessionId: string): Promise<SessionWithEnd | null> {
    const [record] = await this.parts.repository.findSessions([sessionIdOf(sessionId, 'sessionId')]);
    return record ? this.withPendingUse(toSession(record)) : null;
  }

  /** A session with uses that this node knows of and has not written yet. */
  withPendingUse<T extends Session>(session: T): T {
    const use = this.parts.activity.peek(session.id);
    return use && use.at > session.lastSeenAt ? { ...session, lastSeenAt: use.at, lastIp: use.ip } : session;
  }

  /** While a node may still accept the old token, the new one is given to nobody: the client logs in again. */
  private async confirmReplaced(ended: readonly EndedSession[]): Promise<void> {
    try {
      await this.parts.confirmation.confirm(ended);
    } catch (cause) {
      throw new SessionError('SESSION_STORE_UNAVAILABLE', undefined, { cause });
    }
  }

  private account(userId: UserId): AccountRef {
    return accountRef(this.parts.realm, userId);
  }
}

function sessionIdOf(value: unknown, name: string): string {
  if (!isSessionId(value)) throw invalidArgument(name, 'must be a session id: 32 hexadecimal digits');
  return value;
}

/** Operators are users as well, so the name of an actor may be whatever a user id may be. */
function actorOf(value: unknown): string {
  if (typeof value !== 'string' || value === '' || value.length > 1024) {
    throw invalidArgument('by', 'must be text of 1 to 1,024 characters that names who does it');
  }
  return value;
}
