import { type CanActivate, type ExecutionContext, Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { ModuleRef, Reflector } from '@nestjs/core';
import { type Observable, lastValueFrom } from 'rxjs';
import { SessionError } from '../core/session-error.js';
import { TokenService } from '../core/token-service.js';
import type { GuardedRequest } from '../nest/current-session.js';
import { identityOf } from '../nest/execution-identity.js';
import { setHeaders } from '../nest/http-answer.js';
import { brokenRule } from '../nest/route-rules.js';
import { SessionAuthenticator } from '../nest/session-authenticator.js';
import { ADMIN_RIGHTS, type AdminRight, type Operator, type ResolvedAdminOptions } from './admin-options.js';
import { noteOperator } from './operator.js';

export const ADMIN_OPTIONS = Symbol('options of SessionAdminModule');

/** The right that a route needs beside `view`. */
export const NeedsRight = Reflector.createDecorator<AdminRight>();

/** Rights to change something, for which a recent proof of who the operator is may be required. */
export const CHANGES: readonly AdminRight[] = ['kick', 'ban', 'impersonate'];

/** Runs after AuthGuard. Refuses whoever the application does not allow to do what a route does. */
@Injectable()
export class AdminGuard implements CanActivate, OnModuleInit {
  private guards: readonly CanActivate[] = [];

  constructor(
    @Inject(ADMIN_OPTIONS) private readonly options: ResolvedAdminOptions,
    private readonly reflector: Reflector,
    private readonly modules: ModuleRef,
    private readonly authenticator: SessionAuthenticator,
    private readonly tokens: TokenService,
  ) {}

  async onModuleInit(): Promise<void> {
    this.guards = await Promise.all(this.options.guards.map((guard) => this.modules.create(guard)));
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<GuardedRequest>();
    const session = identityOf(context)?.session;
    if (!session) throw new SessionError('TOKEN_MISSING');
    for (const guard of this.guards) {
      if (!(await settled(guard.canActivate(context)))) throw new SessionError('FORBIDDEN');
    }
    const operator = { userId: session.userId, claims: session.claims, session };
    const right = this.reflector.get(NeedsRight, context.getHandler()) ?? 'view';
    const rights = await this.rightsOf(operator);
    if (!rights.has('view') || !rights.has(right)) throw new SessionError('FORBIDDEN');
    if (CHANGES.includes(right)) this.checkFresh(context, operator);
    noteOperator(request, { ...operator, rights });
    return true;
  }

  private async rightsOf(operator: Operator): Promise<ReadonlySet<AdminRight>> {
    const { authorize, impersonate } = this.options;
    const possible = ADMIN_RIGHTS.filter((right) => right !== 'impersonate' || impersonate);
    if (!authorize) return new Set(possible);
    const allowed = await Promise.all(possible.map(async (right) => authorize(operator, right)));
    // Nothing but true: a function that forgets to answer allows nothing.
    return new Set(possible.filter((_, index) => allowed[index] === true));
  }

  private checkFresh(context: ExecutionContext, { session }: Operator): void {
    const rules = { isPublic: false, strict: false, activity: true, banChecks: [], freshMs: this.options.freshMs };
    const broken = brokenRule(session, rules, this.tokens.now());
    if (!broken) return;
    const { exception, headers } = this.authenticator.answer(broken.code, broken.details);
    setHeaders(context.switchToHttp().getResponse(), headers);
    throw exception;
  }
}

function settled(result: boolean | Promise<boolean> | Observable<boolean>): Promise<boolean> {
  return typeof result === 'object' && 'subscribe' in result ? lastValueFrom(result) : Promise.resolve(result);
}
