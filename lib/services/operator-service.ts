import type { Bans, BanOptions, BanResult, LiftBanOptions } from '../commands/ban.js';
import type { Ban } from '../model/ban.js';
import type { Clock } from '../ports/clock.js';
import { sessionIdsOf } from '../commands/arguments.js';
import {
  type ImpersonationOptions,
  type KickOptions,
  impersonationOf,
  kickOf,
} from '../commands/operator-arguments.js';
import type { Logins, LoginResult } from '../commands/login.js';
import type { SessionEnding } from '../commands/end.js';
import { sessionIdOf } from '../tokens/token-codec.js';
import { type AccountRef, type UserId, accountRef } from '../model/user-key.js';

/**
 * Acts on sessions and accounts as an operator, named in `by`. Checks no rights: guard the routes that call it. Audits
 * every call. Provided by SessionModule. Errors as in TokenService.
 */
export class OperatorService {
  constructor(
    private readonly parts: {
      readonly realm: string;
      readonly ending: SessionEnding;
      readonly bans: Bans;
      readonly logins: Logins;
      readonly clock: Clock;
    },
  ) {}

  /** Ends one session with SESSION_KICKED. @returns true if this call ended it; false if it is unknown or ended */
  async kick(sessionId: string, options: KickOptions): Promise<boolean> {
    const { by, comment } = kickOf(options);
    return this.parts.ending.endOne(sessionIdOf(sessionId, 'sessionId'), 'SESSION_KICKED', by, { comment });
  }

  /** Ends 1 to 500 sessions with SESSION_KICKED, waiting once for all nodes. @returns how many it ended */
  async kickMany(sessionIds: readonly string[], options: KickOptions): Promise<number> {
    const { by, comment } = kickOf(options);
    return this.parts.ending.endSome(sessionIdsOf(sessionIds, 'sessionIds'), 'SESSION_KICKED', by, comment);
  }

  /**
   * Ends every session of a user with SESSION_KICKED, and refuses logins that began before (see
   * TokenService.beginLogin).
   * @returns how many it ended; null for more than 200, which end as one
   */
  async kickUser(userId: UserId, options: KickOptions): Promise<number | null> {
    const { by, comment } = kickOf(options);
    const all = { except: null, raiseEpoch: true, comment };
    return this.parts.ending.endAll(this.account(userId), 'SESSION_KICKED', by, all);
  }

  /**
   * Ends every session of the realm with SESSION_KICKED, the caller's own included: for a breach, or a change of secrets.
   * Resolves once no node accepts any of their tokens; their rows are closed in the background.
   */
  async endEverything(options: KickOptions): Promise<void> {
    const { by, comment } = kickOf(options);
    await this.parts.ending.endEverything(by, comment);
  }

  /** Bans a user from everything, or from one service. Replaces an earlier ban from the same. */
  async ban(userId: UserId, options: BanOptions): Promise<BanResult> {
    return this.parts.bans.ban(this.account(userId), options);
  }

  /** Lifts the ban from everything, or from one service. @returns true if there was such a ban */
  async liftBan(userId: UserId, options: LiftBanOptions): Promise<boolean> {
    return this.parts.bans.liftBan(this.account(userId), options);
  }

  /** Lists the bans of a user that are in force. */
  async bans(userId: UserId): Promise<readonly Ban[]> {
    return this.parts.bans.listBans(this.account(userId), this.parts.clock.now());
  }

  /**
   * Opens a session as a user. Lists, `@CurrentSession()` and the audit trail mark it with the operator. It ends no
   * session of the user, and nothing extends it.
   * @throws SessionError as TokenService.login does
   */
  async impersonate(userId: UserId, options: ImpersonationOptions): Promise<LoginResult> {
    const account = this.account(userId);
    const impersonation = impersonationOf(options);
    const { userName, deviceType, deviceName, ip, userAgent, claims } = options;
    const login = { userName, loginMethod: 'impersonation', deviceType, deviceName, ip, userAgent, claims };
    return this.parts.logins.login(account, login, impersonation);
  }

  private account(userId: UserId): AccountRef {
    return accountRef(this.parts.realm, userId);
  }
}
