import type { INestApplicationContext } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import type { LoginOptions } from '../commands/arguments.js';
import { isObject } from '../model/checked-input.js';
import { misused } from '../model/session-error.js';
import type { UserSession } from '../model/session.js';
import type { UserId } from '../model/user-key.js';
import { CookieNaming } from '../nest/cookies/cookie-names.js';
import { SessionRuntime } from '../nest/module/session-runtime.js';

/** User to log in, with the options of `TokenService.login`. */
export type TestUser = LoginOptions & {
  readonly userId: UserId;
  /** Realm of the SessionModule. Required if the application has several. */
  readonly realm?: string;
};

/** A login, and what each kind of client sends to prove it. */
export interface ActingUser {
  readonly userId: string;
  readonly sessionId: string;
  readonly session: UserSession;
  /** The access token. */
  readonly token: string;
  /** Absent in modes without. */
  readonly refreshToken?: string;
  /** For HTTP requests, also those that open a WebSocket: a token or cookies, by the option `transport`. */
  readonly headers: Readonly<Record<string, string>>;
  /** For socket.io: `io(url, { auth: alice.auth })`. */
  readonly auth: { readonly token: string };
  /** For SessionWsAdapter: `new WebSocket(url, alice.protocols)`. */
  readonly protocols: readonly string[];
  /** For graphql-ws: `createClient({ url, connectionParams: alice.connectionParams })`. */
  readonly connectionParams: { readonly Authorization: string };
}

/**
 * Logs a user in as the application would, through TokenService, for tests of requests:
 * ```ts
 * const alice = await actingAs(app, { userId: 'alice', claims: { roles: ['admin'] } });
 * await request(app.getHttpServer()).post('/orders').set(alice.headers).expect(201);
 * ```
 * The device policy counts: under `singleDevice()`, a second call for a user ends the session of the first.
 * @param app application or testing module with a SessionModule or SessionTestingModule
 * @throws SessionError as TokenService.login; CONFIGURATION_INVALID without such a module
 */
export async function actingAs(app: INestApplicationContext, user: TestUser): Promise<ActingUser> {
  if (!isObject(user)) throw misused('actingAs needs a user, such as { userId: "alice", claims: {} }');
  const { userId, realm, ...login } = user;
  const { tokens, options } = runtimeOf(app, realm);
  const { accessToken, refreshToken, session } = await tokens.login(userId, login);
  const authorization = `Bearer ${accessToken}`;
  return {
    userId: session.userId,
    sessionId: session.id,
    session,
    token: accessToken,
    ...(refreshToken !== undefined && { refreshToken }),
    headers:
      options.transport.kind === 'cookies'
        ? cookieHeaders(new CookieNaming(options.realm, options.transport.cookies), accessToken, refreshToken)
        : { Authorization: authorization },
    auth: { token: accessToken },
    protocols: ['latchkey', accessToken],
    connectionParams: { Authorization: authorization },
  };
}

/** Headers of a client that is no browser, which names itself as such (docs/cookies.md). */
function cookieHeaders({ secure }: CookieNaming, token: string, refreshToken?: string): Record<string, string> {
  const refresh = refreshToken === undefined ? '' : `; ${secure.refresh}=${refreshToken}`;
  return { Cookie: `${secure.session}=${token}${refresh}`, 'X-Requested-With': 'nestjs-latchkey/testing' };
}

function runtimeOf(app: INestApplicationContext, realm: string | undefined): SessionRuntime {
  const modules = [...app.get(ModulesContainer, { strict: false }).values()];
  const runtimes = new Set(modules.flatMap(({ providers }) => providers.get(SessionRuntime)?.instance ?? []));
  const found = ([...runtimes] as SessionRuntime[]).filter(({ options }) => options.realm === (realm ?? options.realm));
  if (found.length === 1) return found[0]!;
  const realms = ([...runtimes] as SessionRuntime[]).map(({ options }) => `"${options.realm}"`).join(', ');
  throw misused(
    realms === ''
      ? 'actingAs found no sessions in the application: import SessionModule or SessionTestingModule'
      : `actingAs needs the option realm: the application has ${realms}${realm === undefined ? '' : `, not one of "${realm}"`}`,
  );
}
