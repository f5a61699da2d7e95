import {
  type ArgumentsHost,
  Catch,
  type CanActivate,
  type ExecutionContext,
  HttpException,
  Logger,
} from '@nestjs/common';
import { BaseWsExceptionFilter, WsException } from '@nestjs/websockets';
import { SessionError, describeError, invalidArgument } from '../model/session-error.js';
import type { RenewedToken } from '../model/verification.js';
import type { UserSession } from '../model/session.js';
import { type HttpAnswer, isOfValidToken } from '../nest/http/answers.js';
import { AuthGuard } from '../nest/http/auth.guard.js';
import { ChannelRequest, type Credential } from '../nest/http/credential.js';
import { AuthenticatedSession, type AuthenticatedSocket, sockets } from '../nest/http/identity.js';
import { CHANNEL_RULES } from '../nest/http/route-rules.js';
import type { SessionAuthenticator } from '../nest/http/session-authenticator.js';
import { answerTo, messageOf } from '../nest/http/session-error.filter.js';

/** How to reach the client of a socket. */
export interface SocketClient {
  /** Sends an event. */
  send(event: string, data: object): void;
  /** Tells why, and closes. */
  end(answer: HttpAnswer): void;
}

/** Parts that the connections of one adapter share. */
export interface ConnectionParts {
  readonly authenticator: SessionAuthenticator;
  readonly guard: AuthGuard;
}

const logger = new Logger('SessionModule');

/** Refusal of a message. */
class RefusedMessage extends WsException {}

/** A socket that was authenticated when it was opened, or admitted without a token. Lives as long as its token. */
export class Connection implements AuthenticatedSocket {
  readonly request: ChannelRequest;
  /** As of the last look. */
  identity: AuthenticatedSession | null;
  private successor: string | null = null;
  private refusal: HttpAnswer | null = null;
  private readonly listeners = new Set<(session: UserSession) => void>();
  private looks = 0;
  /** Number of the look that `identity` is of. */
  private lastLook = 0;

  constructor(
    readonly parts: ConnectionParts,
    private readonly client: SocketClient,
    { credential, identity, ip }: { credential: Credential; identity: AuthenticatedSession | null; ip: unknown },
  ) {
    this.identity = identity;
    this.request = new ChannelRequest(credential, ip, (renewed) => this.renew(renewed));
  }

  isOpen = false;

  /** Passes on what the handshake brought. */
  open(): void {
    this.isOpen = true;
    if (this.identity?.renewed) this.renew(this.identity.renewed);
  }

  /** Judges a message as AuthGuard judges a request. @throws WsException */
  async admit(context: ExecutionContext): Promise<true> {
    const { credential } = this.request;
    try {
      await this.parts.guard.canActivate(context);
    } catch (error) {
      if (!(error instanceof HttpException)) throw error;
      if (this.useSuccessor(error, credential)) return this.admit(context);
      if (error.getStatus() === 401 && !isOfValidToken((error as { code?: unknown }).code)) void this.check(true);
      throw new RefusedMessage(messageOf(error));
    }
    if (this.refusal) throw new RefusedMessage(messageOf(this.refusal.exception));
    return true;
  }

  /** Calls the listener with the session once its claims or bans have changed. */
  onChange(listener: (session: UserSession) => void): void {
    this.listeners.add(listener);
  }

  /** Ends the socket if its token is over, renews a token near its end, and notices changes. @param strict asks the database in any case */
  async check(strict = false): Promise<void> {
    const { authenticator } = this.parts;
    const { credential } = this.request;
    const { token } = credential;
    if (token === null || this.refusal) return;
    const known = strict ? null : authenticator.fromMemory(token);
    if (known && known === this.identity?.session) return;
    const look = ++this.looks;
    const outcome = await authenticator.authenticate(this.request, { ...CHANNEL_RULES, strict });
    if (outcome instanceof AuthenticatedSession) {
      // A slow answer may be older than what is known by now.
      if (look > this.lastLook) this.update(outcome, look);
      if (outcome.renewed) this.renew(outcome.renewed);
    } else if (this.useSuccessor(outcome.exception, credential)) {
      await this.check(strict);
    } else if (outcome.exception.getStatus() < 500 && !this.refusal) {
      this.refusal = outcome;
      this.client.end(outcome);
    }
  }

  private update(identity: AuthenticatedSession, look: number): void {
    const before = this.identity?.session;
    const session = identity.session!;
    this.lastLook = look;
    this.identity = identity;
    const rightsOf = ({ claims, bans }: UserSession) => JSON.stringify([claims, bans]);
    if (!before || rightsOf(before) === rightsOf(session)) return;
    this.client.send('session-changed', {});
    for (const listener of this.listeners) {
      try {
        listener(session);
      } catch (error) {
        logger.error(`A listener to the changes of a session failed: ${describeError(error)}`);
      }
    }
  }

  /** No script may see the token of a cookie: the page makes a request instead, whose answer sets the next cookie. */
  private renew({ accessToken, expiresIn }: RenewedToken): void {
    if (this.successor === accessToken) return;
    this.successor = accessToken;
    this.client.send('renewed', this.request.credential.byCookie ? { expiresIn } : { accessToken, expiresIn });
  }

  /** Not earlier: the first use of a successor tells that the client has it, and ends its predecessor. */
  private useSuccessor(refusal: HttpException & { readonly code?: unknown }, refused: Credential): boolean {
    if (refusal.code !== 'TOKEN_EXPIRED') return false;
    // Another message was faster.
    if (this.request.credential !== refused) return true;
    const token = this.successor;
    if (token === null) return false;
    this.successor = null;
    this.request.credential = { token, refusal: null, byCookie: this.request.credential.byCookie };
    return true;
  }
}

/** Judges each message of a socket, on every gateway. */
class MessageGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean | Promise<true> {
    const socket = sockets.get(context.getArgByIndex<object>(0));
    return socket instanceof Connection ? socket.admit(context) : true;
  }
}
// Tells the check for rules that no guard enforces.
Reflect.defineMetadata('design:paramtypes', [AuthGuard], MessageGuard);

/** Sends the errors of this library as `exception` with their code, on both platforms; Nest would hide them. */
@Catch(SessionError, HttpException, RefusedMessage)
class MessageErrorFilter extends BaseWsExceptionFilter {
  override catch(error: SessionError | HttpException | RefusedMessage, host: ArgumentsHost): void {
    const client = host
      .switchToWs()
      .getClient<{ send?(text: string): void; emit(name: string, data: unknown): void }>();
    const body = bodyOf(error, sockets.get(client));
    if (!body) {
      super.catch(error, host);
    } else if (isNative(client)) {
      client.send(JSON.stringify({ event: 'exception', data: body }));
    } else {
      client.emit('exception', body);
      const acknowledge = host.getArgByIndex<unknown>(2);
      if (typeof acknowledge === 'function') acknowledge(body);
    }
  }
}

function bodyOf(
  error: SessionError | HttpException | RefusedMessage,
  socket: AuthenticatedSocket | undefined,
): unknown {
  if (error instanceof RefusedMessage) return error.getError();
  if (error instanceof HttpException) return 'code' in error ? messageOf(error) : null;
  return socket instanceof Connection ? messageOf(answerTo(error, socket.parts.authenticator.answers).exception) : null;
}

/** True for a socket of `ws`, whose `emit` sends nothing. */
function isNative(client: { send?(text: string): void }): client is { send(text: string): void } {
  return typeof (client as { readyState?: unknown }).readyState === 'number';
}

export const messageGuard = new MessageGuard();
export const messageErrorFilter = new MessageErrorFilter();

/**
 * Returns the session of a socket, for `handleConnection`, where parameter decorators do nothing; null for a socket without
 * a token, which only connects where a handler is open to it, and for one of another adapter.
 */
export function sessionOf(socket: object): UserSession | null {
  return sockets.get(socket)?.identity?.session ?? null;
}

/**
 * Calls the listener with the session of a socket, within `timing.pollFreshness`, whenever its claims or bans have changed: for
 * rooms that a role opens. Ends with the socket. For a socket without a session, it is never called.
 */
export function onSessionChange(socket: object, listener: (session: UserSession) => void): void {
  if (typeof listener !== 'function') throw invalidArgument('listener', 'must be a function');
  const connection = sockets.get(socket);
  if (connection instanceof Connection) connection.onChange(listener);
}
