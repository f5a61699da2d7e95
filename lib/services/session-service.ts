import type { ActivityRecorder } from '../journal/activity-recorder.js';
import type { Claims, ClaimsPatch, SessionDetails, SessionEnd, SessionWithEnd, UserSession } from '../model/session.js';
import type { Clock } from '../ports/clock.js';
import type { UserClaims, UserClaimsOptions } from '../commands/claims.js';
import { DataStore } from '../commands/data.js';
import type { LoginOptions } from '../commands/arguments.js';
import { checkMethods } from '../model/authentication-methods.js';
import type { SessionChanges } from '../commands/change.js';
import type { SessionEnding } from '../commands/end.js';
import type { EndExplanation, SessionLookup } from '../verification/session-lookup.js';
import type { DataRepository } from '../ports/data-repository.js';
import type { SessionRepository } from '../ports/session-repository.js';
import type { SessionWatch } from '../verification/session-watch.js';
import type { FieldsOf } from '../model/checked-input.js';
import { isSessionId, sessionIdOf } from '../tokens/token-codec.js';
import { type TokenUse, checkUse } from '../verification/token-use.js';
import { type AccountRef, type UserId, accountRef } from '../model/user-key.js';

/** Options of `reauthenticate`. */
export interface ReauthenticationOptions extends Pick<TokenUse, 'ip'>, Pick<LoginOptions, 'amr'> {}

const REAUTHENTICATION: FieldsOf<ReauthenticationOptions> = { ip: true, amr: true };

/**
 * Reads, changes and ends sessions for their user: "my devices", step-up, role changes, session data. Provided by
 * SessionModule. Errors as in TokenService.
 */
export class SessionService {
  constructor(
    private readonly parts: {
      readonly realm: string;
      readonly repository: Pick<SessionRepository, 'listLiveSessions' | 'findSessions'>;
      readonly lookup: SessionLookup;
      readonly watch: SessionWatch;
      readonly ending: SessionEnding;
      readonly liveChanges: SessionChanges;
      readonly userClaims: UserClaims;
      readonly data: DataRepository;
      readonly activity: ActivityRecorder;
      readonly clock: Clock;
    },
  ) {}

  /**
   * Lists the live sessions of a user, newest first, at most 1,000. Includes sessions that operators opened as the
   * user: show users that `impersonator` is set, but not its value.
   */
  async list(userId: UserId): Promise<readonly SessionDetails[]> {
    const records = await this.parts.repository.listLiveSessions(this.account(userId));
    return records.map((record) => this.parts.activity.view(record));
  }

  /** Finds a session of this realm, live or ended; null if unknown. */
  async find(sessionId: string): Promise<SessionWithEnd | null> {
    const [record] = await this.parts.repository.findSessions([sessionIdOf(sessionId, 'sessionId')]);
    return record ? this.parts.activity.view(record) : null;
  }

  /** Explains the end of a session: reason, time, actor and replacement. Null for a live or unknown one. */
  async explainEnd(sessionId: string): Promise<EndExplanation | null> {
    return this.parts.lookup.explainEnd(sessionIdOf(sessionId, 'sessionId'));
  }

  /**
   * Ends one session of a user with SESSION_LOGGED_OUT.
   * @returns true if this call ended it; false if it is ended, unknown or another user's
   */
  async end(userId: UserId, sessionId: string): Promise<boolean> {
    const account = this.account(userId);
    if (!isSessionId(sessionId)) return false;
    return this.parts.ending.endOne(sessionId, 'SESSION_LOGGED_OUT', account.userId, { account });
  }

  /** Ends every session of a user but one with SESSION_LOGGED_OUT. @returns how many it ended; null for more than 200, which end as one */
  async endOthers(userId: UserId, keepSessionId: string): Promise<number | null> {
    return this.endAllBut(userId, sessionIdOf(keepSessionId, 'keepSessionId'));
  }

  /** Ends every session of a user with SESSION_LOGGED_OUT. @returns how many it ended; null for more than 200, which end as one */
  async endAll(userId: UserId): Promise<number | null> {
    return this.endAllBut(userId, null);
  }

  /**
   * Replaces the claims of a live session, such as changed roles. Every request that starts afterwards sees them.
   * @param claims plain JSON object, at most 4,096 bytes
   * @throws SessionError SESSION_NOT_FOUND unless the session is live
   */
  async updateClaims(sessionId: string, claims: Claims): Promise<SessionDetails> {
    return this.parts.liveChanges.updateClaims(sessionIdOf(sessionId, 'sessionId'), claims);
  }

  /**
   * Changes the claims of all live sessions of a user, such as a role that was given or taken away, in one step. Call it after
   * the application has stored the change. No request that starts after it resolves sees the old claims on any node. Ends no
   * session, and refuses logins with a ticket from before.
   * @param patch plain JSON object, at most 4,096 bytes, with the claims to change: each takes the place of the one of its name,
   *   whole; null removes it
   * @returns how many sessions have the new claims; with `endInstead`, how many it ended, and null for more than 200, which end
   *   as one
   * @throws SessionError TOO_MANY_SESSIONS, with nothing changed, for more than 1,000 live sessions: end them by `endInstead`
   */
  async updateUserClaims(userId: UserId, patch: ClaimsPatch, options: UserClaimsOptions = {}): Promise<number | null> {
    return this.parts.userClaims.update(this.account(userId), patch, options);
  }

  /**
   * Records a reauthentication of the user in this session (step-up). Check the password first. `@RequireFresh` counts
   * from this time, and by the methods that `options.amr` names: they replace earlier ones, since a password that is entered again
   * proves no second factor again.
   * @throws SessionError SESSION_NOT_FOUND unless the session is live
   */
  async reauthenticate(sessionId: string, options: ReauthenticationOptions = {}): Promise<SessionDetails> {
    const id = sessionIdOf(sessionId, 'sessionId');
    const ip = checkUse(options, REAUTHENTICATION, 'options');
    return this.parts.liveChanges.reauthenticate(id, ip, checkMethods(options.amr));
  }

  /**
   * Calls the listener once, within `timing.pollFreshness`, when a session has ended; with null if it expired by
   * itself. For channels that outlive a request, such as sockets and server-sent events. Keeps the login from counting
   * as abandoned.
   * @param onChange called with the session as it is at first, and, as promptly, whenever its claims or bans have changed
   * @returns function that stops watching
   */
  watch(
    sessionId: string,
    listener: (end: SessionEnd | null) => void,
    onChange?: (session: UserSession) => void,
  ): () => void {
    const { activity, clock, watch } = this.parts;
    const stop = watch.watch(sessionIdOf(sessionId, 'sessionId'), listener, onChange);
    // An open channel proves that the client has received the token.
    activity.record(sessionId, clock.now(), null, false);
    return stop;
  }

  /** Key-values of one session. Writable while it is live, and deleted with it unless `onReplace` keeps them. */
  data(sessionId: string): DataStore {
    const owner = { kind: 'session', sessionId: sessionIdOf(sessionId, 'sessionId') } as const;
    return new DataStore(this.parts.data, owner, () => this.parts.lookup.refuseOver(sessionId));
  }

  /** Key-values of a user, shared by all devices. They outlive sessions. */
  accountData(userId: UserId): DataStore {
    const owner = { kind: 'account', account: this.account(userId) } as const;
    return new DataStore(this.parts.data, owner, () => Promise.resolve(null));
  }

  private endAllBut(userId: UserId, except: string | null): Promise<number | null> {
    const account = this.account(userId);
    return this.parts.ending.endAll(account, 'SESSION_LOGGED_OUT', account.userId, { except, raiseEpoch: false });
  }

  private account(userId: UserId): AccountRef {
    return accountRef(this.parts.realm, userId);
  }
}
