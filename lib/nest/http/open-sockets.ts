import type { SessionEnd, UserSession } from '../../model/session.js';
import type { RenewedToken } from '../../model/verification.js';

/** Connection that outlives its requests: a WebSocket of the package `ws`, or anything like it. */
export interface OpenSocket {
  /** Above 1 once it closes. */
  readonly readyState?: unknown;
  /** Subprotocol that client and server agreed on. */
  readonly protocol?: unknown;
  close(code: number, reason: string): void;
  once(event: 'close', listener: () => void): unknown;
  send?(text: string): void;
}

/** SessionService.watch. */
export type WatchSession = (
  sessionId: string,
  onEnd: (end: SessionEnd | null) => void,
  onChange: (session: UserSession) => void,
) => () => void;

/** Returns the code by which a session is refused by now; null if it is not. */
export type JudgeAgain = (session: UserSession) => string | null;

/** Tells clients of graphql-ws and others not to connect again; they would repeat 4403 for ever. */
const UNAUTHORIZED = 4401;
/** They connect again: what is still allowed goes on, and the rest is refused by itself. */
const FORBIDDEN = 4403;
const OPEN = 1;

/** Closes sockets with the session that opened them. */
export class OpenSockets {
  /** By socket and session, the rules of what runs for as long as the socket. */
  private readonly sessions = new WeakMap<OpenSocket, Map<string, Set<JudgeAgain>>>();
  /** Latest token that a socket was told of. */
  private readonly told = new WeakMap<OpenSocket, string>();

  constructor(private readonly watch: WatchSession) {}

  /**
   * Closes a socket once a session has ended, with 4401 and the reason, or once `judge` refuses it after a change of its
   * claims or bans, with 4403 and the code. Within `timing.pollFreshness` on every node.
   * @param judge the same function for the same rules
   */
  closeWith(socket: OpenSocket, sessionId: string, judge: JudgeAgain | null): void {
    const watched = this.sessions.get(socket) ?? new Map<string, Set<JudgeAgain>>();
    const known = watched.get(sessionId);
    if (known && judge) known.add(judge);
    if (known || Number(socket.readyState) > OPEN) return;
    const judges = new Set(judge ? [judge] : []);
    this.sessions.set(socket, watched.set(sessionId, judges));
    const stop = this.watch(
      sessionId,
      (end) => socket.close(UNAUTHORIZED, end?.reason ?? 'SESSION_EXPIRED'),
      (session) => {
        const code = [...judges].map((one) => one(session)).find((one) => one !== null);
        if (code) socket.close(FORBIDDEN, code);
      },
    );
    socket.once('close', stop);
  }

  /** Sends the successor of the token of a socket, in the payload of a ping: the only message that graphql-ws has for it. */
  tell(socket: OpenSocket, { accessToken, expiresIn }: RenewedToken): void {
    if (socket.protocol !== 'graphql-transport-ws' || this.told.get(socket) === accessToken) return;
    this.told.set(socket, accessToken);
    const payload = { renewedToken: accessToken, renewedTokenExpiresIn: expiresIn };
    socket.send?.(JSON.stringify({ type: 'ping', payload }));
  }
}
