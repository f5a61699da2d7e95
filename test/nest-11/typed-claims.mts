/** What an application with typed claims writes, for the compiler. The test compiles it as an ES module and as CommonJS. */
import { Controller, Get, UseGuards } from '@nestjs/common';
import {
  AuthGuard,
  type BeforeLogin,
  CurrentSession,
  type CurrentSessionUser,
  CurrentUser,
  OperatorService,
  type PolicyOption,
  SessionModule,
  SessionService,
  TokenService,
  type UserSession,
  multiDevice,
  singleDevice,
} from 'nestjs-latchkey';
import { SessionAdminModule } from 'nestjs-latchkey/admin';

declare module 'nestjs-latchkey' {
  interface SessionClaims {
    roles: string[];
    team?: string;
  }
}

export async function call(tokens: TokenService, sessions: SessionService, operators: OperatorService) {
  const { session } = await tokens.login('alice', { claims: { roles: ['admin'] }, deviceType: 'phone' });
  const roles: readonly string[] = session.claims.roles;
  const team: string | undefined = (await sessions.updateClaims(session.id, { roles: [], team: 'blue' })).claims.team;
  await operators.impersonate('alice', { by: 'root', claims: { roles: [] } });
  // @ts-expect-error: roles are missing
  await tokens.login('alice', { claims: {} });
  // @ts-expect-error: claims are missing
  await tokens.login('alice', { deviceType: 'phone' });
  // @ts-expect-error: claims are missing
  await tokens.login('alice');
  // @ts-expect-error: not a list
  await tokens.login('alice', { claims: { roles: 'admin' } });
  // @ts-expect-error: not declared
  await tokens.login('alice', { claims: { roles: [], role: 'admin' } });
  // @ts-expect-error: roles are missing
  await sessions.updateClaims(session.id, { team: 'blue' });
  // @ts-expect-error: claims are missing
  await operators.impersonate('alice', { by: 'root' });
  // @ts-expect-error: not declared
  void session.claims.role;
  return { roles, team };
}

export const policy: PolicyOption = ({ claims }) => (claims.roles.includes('admin') ? multiDevice() : singleDevice());
export const hook: BeforeLogin = ({ claims }) => claims.team === 'blue';
// @ts-expect-error: not declared
export const wrongPolicy: PolicyOption = ({ claims }) => (claims.role === 'admin' ? multiDevice() : singleDevice());
// @ts-expect-error: not declared
export const wrongHook: BeforeLogin = ({ claims }) => claims.role === 'admin';

@Controller()
@UseGuards(AuthGuard)
export class TypedController {
  @Get()
  me(@CurrentUser() user: CurrentSessionUser, @CurrentSession() session: UserSession) {
    // @ts-expect-error: not declared
    const role: unknown = user.role;
    return { role, userId: user.userId, roles: user.roles.concat(session.claims.roles) };
  }

  @Get('roles')
  roles(
    @CurrentUser('roles') roles: string[],
    @CurrentUser('of-my-guard') own: unknown,
    @CurrentSession('id') id: string,
  ) {
    return { roles, own, id };
  }

  // @ts-expect-error: no field of a session
  wrong(@CurrentSession('roles') roles: unknown) {
    return roles;
  }
}

export const modules = [
  SessionModule.forRoot({ secret: 'x', policy, hooks: { beforeLogin: hook } }),
  SessionAdminModule.forRoot({
    authorize: ({ claims }) => claims.roles.includes('admin'),
    impersonate: async () => ({ claims: { roles: [] } }),
  }),
  // @ts-expect-error: roles are missing
  SessionAdminModule.forRoot({ authorize: () => true, impersonate: async () => ({ claims: {} }) }),
];
