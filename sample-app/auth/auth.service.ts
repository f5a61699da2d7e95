import { Injectable } from '@nestjs/common';
import {
  type FailedLogin,
  type LoginDetails,
  type LoginResult,
  SessionError,
  SessionService,
  TokenService,
  type UserSession,
} from 'nestjs-latchkey';
import { UsersService } from '../users/users.service.js';
import type { ChangePasswordRequest, LoginRequest } from './requests.js';

/** Passwords are this application's business, sessions the library's. */
@Injectable()
export class AuthService {
  constructor(
    private readonly users: UsersService,
    private readonly tokens: TokenService,
    private readonly sessions: SessionService,
  ) {}

  /**
   * A ban, and what other sessions there are, is told only to those who know the password.
   * @throws SessionError BAD_CREDENTIALS, with nothing changed; ACCOUNT_DISABLED; SESSION_LIMIT_REACHED with a ticket to choose
   */
  async login(
    { credentials, makeRoom, persistent, life, ...device }: LoginRequest,
    client: LoginDetails,
  ): Promise<LoginResult> {
    const { user, ticket } = credentials
      ? await this.authenticate(credentials, { ...client, ...device })
      : { user: await this.users.find(this.tokens.readLimitTicket(makeRoom!.choice).userId), ticket: undefined };
    if (!user) throw new SessionError('BAD_CREDENTIALS');
    const claims = { username: user.username, roles: user.role === '' ? [] : [user.role] };
    return this.tokens.login(user.username, {
      userName: user.username,
      loginMethod: 'password',
      amr: ['pwd'],
      ...device,
      ...client,
      ...(ticket !== undefined && { ticket }),
      ...(makeRoom && { makeRoom }),
      ...(persistent !== undefined && { persistent }),
      ...(life && { life }),
      claims,
    });
  }

  private async authenticate(
    { username, password }: NonNullable<LoginRequest['credentials']>,
    { ip, deviceType, deviceName }: FailedLogin,
  ) {
    // Before the password is looked at: a login with the old password cannot land after a change of it.
    const ticket = await this.tokens.beginLogin(username);
    const user = await this.users.authenticate(username, password);
    if (!user) this.tokens.recordFailedLogin(username, { deviceType, deviceName, ip });
    return { user, ticket };
  }

  /**
   * Changes the password and ends all sessions but this one.
   *
   * The new hash comes first: after the sessions have been ended, nobody may get in with the old password any more. If the
   * second step fails, the client hears of an error and repeats the call, and the old password is wrong by then. So one
   * whose new password is the current one has made the change already, and is helped to the end of it. Either way the
   * caller knows the current password.
   *
   * @returns how many sessions it ended
   * @throws SessionError BAD_CREDENTIALS, with nothing changed
   */
  async changePassword(
    userId: string,
    sessionId: string,
    { oldPassword, newPassword }: ChangePasswordRequest,
  ): Promise<number | null> {
    const user = await this.users.authenticate(userId, oldPassword);
    const isKnown = user
      ? await this.users.replacePassword(user, newPassword)
      : (await this.users.authenticate(userId, newPassword)) !== null;
    if (!isKnown) throw new SessionError('BAD_CREDENTIALS');
    return this.tokens.revokeSessions(userId, { except: sessionId });
  }

  /**
   * Notes that the user of a session is there and knows the password.
   * @throws SessionError BAD_CREDENTIALS, with nothing changed
   */
  async confirmPassword(session: UserSession, password: string, ip: string): Promise<void> {
    if (!(await this.users.authenticate(session.userId, password))) throw new SessionError('BAD_CREDENTIALS');
    await this.sessions.reauthenticate(session.id, { ip, amr: ['pwd'] });
  }
}
