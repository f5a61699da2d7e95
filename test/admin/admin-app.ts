import { SessionModule, type SessionModuleOptions, multiDevice } from 'nestjs-latchkey';
import { type AdminRight, SessionAdminModule, type SessionAdminOptions } from 'nestjs-latchkey/admin';
import { ManualClock } from 'nestjs-latchkey/testing';
import { type AdapterKind, type HttpApp, type RawAnswer, json, sessionOptions, startApp } from '../nest/http-app.js';

export interface AdminApp extends HttpApp {
  readonly clock: ManualClock;
  readonly operator: (...rights: AdminRight[]) => Promise<string>;
  readonly get: (token: string, path: string) => Promise<RawAnswer>;
  readonly post: (token: string, path: string, body: object) => Promise<RawAnswer>;
}

/** Starts an application that goes by the rights that an operator logged in with, on a database of its own. */
export async function startAdminApp(
  kind: AdapterKind,
  options: SessionAdminOptions = {},
  session: Partial<SessionModuleOptions> = {},
): Promise<AdminApp> {
  const clock = new ManualClock(Date.now());
  const authorize: SessionAdminOptions['authorize'] = ({ claims }, right) =>
    (claims.rights as readonly string[]).includes(right);
  const server = await startApp(kind, {
    imports: [
      SessionModule.forRoot({
        isGlobal: true,
        ...sessionOptions({ clock, policy: multiDevice({ max: Infinity }), ...session }),
      }),
      SessionAdminModule.forRoot({ authorize, ...options }),
    ],
  });
  let operators = 0;
  return {
    ...server,
    clock,
    operator: async (...rights) =>
      (await server.tokens.login(`operator-${operators++}`, { claims: { rights } })).accessToken,
    get: (token, path) => server.sendWith(token, { path: `/admin${path}` }),
    post: (token, path, body) => server.sendWith(token, json(`/admin${path}`, body)),
  };
}

export function linesOf(text: string): readonly Readonly<Record<string, unknown>>[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
}
