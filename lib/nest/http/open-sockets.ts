import type { SessionEnd } from '../../model/session.js';
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
export type WatchSession = (sessionId: string, onEnd: (end: SessionEnd | null) => void) => () => void;

/** Tells clients of graphql-ws and others not to connect again; they would repeat 4403 for ever. */
const UNAUTHORIZED = 4401;
const OPEN = 1;

/** Closes sockets with the session that opened them. */
export class OpenSockets {
  private readonly sessions = new WeakMap<OpenSocket, Set<string>>();
  /** Latest token that a socket was told of. */
  private readonly told = new WeakMap<OpenSocket, string>();

  constructor(private readonly watch: WatchSession) {}

  /** Closes a socket with 4401 and the reason once a session has ended, within `timing.pollFreshness` on every node. */
  closeWith(socket: OpenSocket, sessionId: string): void {
    const watched = this.sessions.get(socket) ?? new Set();
    if (watched.has(sessionId) || Number(socket.readyState) > OPEN) return;
    this.sessions.set(socket, watched.add(sessionId));
    const stop = this.watch(sessionId, (end) => socket.close(UNAUTHORIZED, end?.reason ?? 'SESSION_EXPIRED'));
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
