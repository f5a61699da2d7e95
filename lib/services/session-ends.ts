import { type FieldsOf, checkFields } from '../model/checked-input.js';
import { type KickOptions, actorOf, kickOf, sessionIdsOf } from '../commands/login-input.js';
import { isSessionId, sessionIdOf } from '../tokens/token-codec.js';
import type { TokenServiceParts } from './token-service-parts.js';
import { type TokenUse, addressIn } from '../verification/token-use.js';
import { type AccountRef, type UserId, accountRef } from '../model/user-key.js';

/** What a change of credentials tells. */
export interface RevokeOptions {
  /** Id of the session in which the change was made, which goes on. */
  readonly except?: string;
  /** Who changed them, default the user. */
  readonly by?: string;
}

const REVOKE_FIELDS: FieldsOf<RevokeOptions> = { except: true, by: true };

/** The methods of TokenService that end sessions: as their user wishes, as credentials change, or as an operator says. */
export abstract class SessionEnds {
  constructor(
    private readonly needs: Pick<TokenServiceParts, 'activity' | 'clock' | 'realm' | 'verifier' | 'ending'>,
  ) {}

  /**
   * Ends the session of a token, access or refresh. Idempotent, and silent about tokens that are unknown: an expired token
   * logs out, a session that has ended stays as it is.
   * @param use.ip address of the client, for operators: whoever stole a token can log out with it as well
   * @returns whether this call ended it
   */
  async logout(token: unknown, use: Pick<TokenUse, 'ip'> = {}): Promise<boolean> {
    const ip = addressIn(use);
    const { activity, clock, ending, verifier } = this.needs;
    const holder = await verifier.findHolder(token);
    if (!holder) return false;
    activity.record(holder.id, clock.now(), ip, false);
    return ending.logOut(holder);
  }

  /**
   * Ends one session of a user, for "my devices". False, and nothing done, if the user has no such live session; another
   * user's session is the same as an unknown one.
   */
  async logoutSession(userId: UserId, sessionId: string): Promise<boolean> {
    const account = this.accountOf(userId);
    if (!isSessionId(sessionId)) return false;
    return this.needs.ending.endOne(sessionId, 'SESSION_LOGGED_OUT', account.userId, { account });
  }

  /** Ends every session of a user but one, as that user's wish. @returns how many it ended */
  async logoutOthers(userId: UserId, keepSessionId: string): Promise<number> {
    const account = this.accountOf(userId);
    const except = sessionIdOf(keepSessionId, 'keepSessionId');
    return this.needs.ending.endAll(account, 'SESSION_LOGGED_OUT', account.userId, { except, raiseEpoch: false });
  }

  /** Ends every session of a user, as that user's wish. @returns how many it ended */
  async logoutAll(userId: UserId): Promise<number> {
    const account = this.accountOf(userId);
    return this.needs.ending.endAll(account, 'SESSION_LOGGED_OUT', account.userId, { except: null, raiseEpoch: false });
  }

  /**
   * Ends the sessions of a user because the credentials changed, and refuses logins that began before (see beginLogin).
   * Call it in the step that changes the password.
   * @returns how many it ended
   */
  async revokeSessions(userId: UserId, options: RevokeOptions = {}): Promise<number> {
    checkFields(options, 'options', REVOKE_FIELDS);
    const account = this.accountOf(userId);
    const except = options.except === undefined ? null : sessionIdOf(options.except, 'except');
    const by = actorOf(options.by ?? 'user');
    return this.needs.ending.endAll(account, 'SESSION_REVOKED', by, { except, raiseEpoch: true });
  }

  /** Ends one session as an operator. @returns whether this call ended it; false for an unknown or ended one */
  async kickSession(sessionId: string, options: KickOptions): Promise<boolean> {
    const { by, comment } = kickOf(options);
    return this.needs.ending.endOne(sessionIdOf(sessionId, 'sessionId'), 'SESSION_KICKED', by, { comment });
  }

  /** Ends several sessions as an operator, at most 500 in one call, with one wait for all. @returns how many it ended */
  async kickSessions(sessionIds: readonly string[], options: KickOptions): Promise<number> {
    const { by, comment } = kickOf(options);
    return this.needs.ending.endSome(sessionIdsOf(sessionIds, 'sessionIds'), 'SESSION_KICKED', by, comment);
  }

  /**
   * Ends every session of a user as an operator, and refuses logins that began before (see beginLogin).
   * @returns how many it ended
   */
  async kickUser(userId: UserId, options: KickOptions): Promise<number> {
    const { by, comment } = kickOf(options);
    const all = { except: null, raiseEpoch: true, comment };
    return this.needs.ending.endAll(this.accountOf(userId), 'SESSION_KICKED', by, all);
  }

  private accountOf(userId: UserId): AccountRef {
    return accountRef(this.needs.realm, userId);
  }
}
