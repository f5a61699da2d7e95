import { afterEach, beforeEach } from '@jest/globals';
import type { ServerResponse } from 'node:http';
import { type Received, type TestServer, refuse, reply, startServer } from './servers.js';

/** A server with one session, whose access token of now is `access-N`; POST /refresh makes the next one. */
export interface TokenServer extends TestServer {
  /** N of the access token that is good. */
  generation: number;
  /** Answers refreshes instead of giving the next tokens. */
  onRefresh: ((response: ServerResponse, request: Received) => unknown) | null;
  /** Answers everything else that brings a token, instead of checking it. */
  onRequest: ((response: ServerResponse, request: Received) => unknown) | null;
}

async function startTokenServer(): Promise<TokenServer> {
  const plain = await startServer((request, response) => {
    if (request.path === '/refresh') {
      if (server.onRefresh) return server.onRefresh(response, request);
      const { refreshToken } = JSON.parse(request.body) as { refreshToken: string };
      // The same successor for everybody who asks again.
      server.generation = Math.max(server.generation, Number(refreshToken.split('-')[1]) + 1);
      return reply(response, 200, pair(server.generation));
    }
    if (server.onRequest) return server.onRequest(response, request);
    if (request.authorization === `Bearer access-${server.generation}`)
      return reply(response, 200, { ok: request.body });
    return refuse(response, 'TOKEN_EXPIRED');
  });
  const server: TokenServer = { ...plain, generation: 2, onRefresh: null, onRequest: null };
  return server;
}

/** Registers hooks that give each test a server of its own. @param begin opens what uses it, and returns what closes that */
export function useTokenServer(begin: (server: TokenServer) => (() => void) | void): void {
  let server: TokenServer;
  let close: (() => void) | void;
  beforeEach(async () => {
    server = await startTokenServer();
    close = begin(server);
  });
  afterEach(async () => {
    close?.();
    await server.close();
  });
}

/** What a login or refresh answers; `pair(1)` is expired when the server starts. */
export function pair(generation: number) {
  return {
    accessToken: `access-${generation}`,
    refreshToken: `refresh-${generation}`,
    expiresIn: 1800,
    refreshExpiresIn: 2_592_000,
    sessionId: 'session-of-alice',
  };
}
