import {
  type CanActivate,
  type ExecutionContext,
  type OnModuleInit,
  Inject,
  Injectable,
  createParamDecorator,
  Controller,
  UseGuards,
  applyDecorators,
} from '@nestjs/common';
import { ModuleRef, Reflector } from '@nestjs/core';
import { type Observable, lastValueFrom } from 'rxjs';
import { accountBan } from '../../model/ban.js';
import { withDeadline } from '../../async/deadline.js';
import { SessionError } from '../../model/session-error.js';
import type { UserSession } from '../../model/session.js';
import { SessionService } from '../../services/session-service.js';
import { userOf } from '../../nest/http/fast-path/hidden-classes.js';
import { type GuardedRequest, identityOf, setIdentity } from '../../nest/http/identity.js';
import { brokenRule } from '../../nest/http/route-rules.js';
import { SessionAuthenticator } from '../../nest/http/session-authenticator.js';
import { SessionRuntime } from '../../nest/module/session-runtime.js';
import { ADMIN_RIGHTS, type AdminRight, type Operator, type ResolvedAdminOptions } from './admin-options.js';
import { AuthGuard } from '../../nest/http/auth.guard.js';
import { StrictJson } from '../../nest/http/route-input.js';
import { setHeaders } from '../../nest/http/answers.js';

export const ADMIN_OPTIONS = Symbol('options of SessionAdminModule');

/** Right that a route needs beside `view`. */
export const NeedsRight = Reflector.createDecorator<AdminRight>();

/** Rights to make changes, for which `requireFresh` applies. */
export const CHANGES: readonly AdminRight[] = ['kick', 'endEverything', 'ban', 'impersonate'];

/** Counts no answer of the application within this time as a refusal. Open streams pause meanwhile. */
const JUDGED_WITHIN_MS = 5000;

/** Runs after AuthGuard. Refuses operators without the right that a route needs. */
@Injectable()
export class AdminGuard implements CanActivate, OnModuleInit {
  private guards: readonly CanActivate[] = [];

  constructor(
    @Inject(ADMIN_OPTIONS) private readonly options: ResolvedAdminOptions,
    private readonly reflector: Reflector,
    private readonly modules: ModuleRef,
    private readonly authenticator: SessionAuthenticator,
    private readonly sessions: SessionService,
    private readonly runtime: SessionRuntime,
  ) {}

  async onModuleInit(): Promise<void> {
    this.guards = await Promise.all(this.options.guards.map((guard) => this.modules.create(guard)));
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const session = identityOf(context)?.session;
    if (!session) throw new SessionError('TOKEN_MISSING');
    const operator = await this.judge(context, session);
    if (CHANGES.includes(this.neededBy(context))) this.checkFresh(context, operator);
    operators.set(context.switchToHttp().getRequest<object>(), operator);
    return true;
  }

  /** @throws SessionError FORBIDDEN, SESSION_STORE_UNAVAILABLE if the application does not answer; errors of its guards */
  private judge(context: ExecutionContext, session: UserSession): Promise<KnownOperator> {
    return withDeadline(this.askApplication(context, session), JUDGED_WITHIN_MS, () => {
      const problem = `guards and authorize of SessionAdminModule did not answer within ${JUDGED_WITHIN_MS} ms`;
      return new SessionError('SESSION_STORE_UNAVAILABLE', undefined, { cause: new Error(problem) });
    });
  }

  private async askApplication(context: ExecutionContext, session: UserSession): Promise<KnownOperator> {
    for (const guard of this.guards) {
      if (!(await settled(guard.canActivate(context)))) throw new SessionError('FORBIDDEN');
    }
    const operator = { userId: session.userId, claims: session.claims, session };
    const rights = await this.rightsOf(operator);
    if (!rights.has('view') || !rights.has(this.neededBy(context))) throw new SessionError('FORBIDDEN');
    const judgeAgain = () => this.judgeAgain(context, session.id);
    return { ...operator, rights, judgeAgain, stillAllowed: this.atTimes(rights, judgeAgain) };
  }

  private atTimes(begunWith: ReadonlySet<AdminRight>, judgeAgain: () => Promise<KnownOperator>): () => Promise<void> {
    const { clock } = this.runtime;
    let judgedAt = clock.monotonic();
    return async () => {
      if (clock.monotonic() - judgedAt < JUDGE_EVERY_MS) return;
      const { rights } = await judgeAgain();
      // The running work was selected by addresses, or shows them.
      if (begunWith.has('viewAddresses') && !rights.has('viewAddresses')) throw new SessionError('FORBIDDEN');
      judgedAt = clock.monotonic();
    };
  }

  /** Uses the session's record, whatever happened to the token: long-running work may outlive it. */
  private async judgeAgain(context: ExecutionContext, sessionId: string): Promise<KnownOperator> {
    const session = await this.sessions.find(sessionId);
    if (!session) throw new SessionError('TOKEN_INVALID');
    if (session.end) throw new SessionError(session.end.reason);
    const now = this.runtime.clock.now();
    if (now >= session.expiresAt) throw new SessionError('SESSION_EXPIRED');
    if (accountBan(session.bans, now)) throw new SessionError('ACCOUNT_DISABLED');
    const before = identityOf(context);
    // The application's guards would otherwise see claims as old as the request.
    if (before && JSON.stringify(before.session?.claims) !== JSON.stringify(session.claims)) {
      const request = context.switchToHttp().getRequest<GuardedRequest>();
      setIdentity(context, request, before.with({ user: userOf(session), session, renewed: null }));
    }
    return this.judge(context, session);
  }

  private neededBy(context: ExecutionContext): AdminRight {
    return this.reflector.get(NeedsRight, context.getHandler()) ?? 'view';
  }

  private async rightsOf(operator: Operator): Promise<ReadonlySet<AdminRight>> {
    const { authorize, impersonate } = this.options;
    const possible = ADMIN_RIGHTS.filter((right) => right !== 'impersonate' || impersonate);
    if (!authorize) return new Set(possible);
    const allowed = await Promise.all(possible.map(async (right) => authorize(operator, right)));
    // Only true counts: a function that forgets to answer allows nothing.
    return new Set(possible.filter((_, index) => allowed[index] === true));
  }

  private checkFresh(context: ExecutionContext, { session }: Operator): void {
    const { freshMs } = this.options;
    const fresh = freshMs === null ? null : { ageMs: freshMs, amr: [] };
    const broken = brokenRule(session, { banChecks: [], fresh }, this.runtime.clock.now());
    if (!broken) return;
    const { exception, headers } = this.authenticator.answers.to(broken.code, broken.details);
    setHeaders(context.switchToHttp().getResponse(), headers);
    throw exception;
  }
}

function settled(result: boolean | Promise<boolean> | Observable<boolean>): Promise<boolean> {
  return typeof result === 'object' && 'subscribe' in result ? lastValueFrom(result) : Promise.resolve(result);
}

/** An operator with their rights. */
export interface KnownOperator extends Operator {
  readonly rights: ReadonlySet<AdminRight>;
  /** Judges the request by session, account and rights as they are now. @throws as the guard would now */
  readonly judgeAgain: () => Promise<KnownOperator>;
  /** Judges at most once in two seconds, for every small step. @throws SessionError FORBIDDEN, or as judgeAgain does */
  readonly stillAllowed: () => Promise<void>;
}

/** Interval at which long-running work is judged again. */
export const JUDGE_EVERY_MS = 2000;

/** By request, so that the request itself is not modified. */
const operators = new WeakMap<object, KnownOperator>();

/** Injects the operator of a request that AdminGuard admitted. */
export const CurrentOperator = createParamDecorator((_: unknown, context: ExecutionContext): KnownOperator => {
  const operator = operators.get(context.switchToHttp().getRequest<object>());
  if (!operator) throw new Error('CurrentOperator needs a route behind AdminGuard.');
  return operator;
});

/** Declares a controller of JSON routes for operators, which refuses unknown fields and forbids caching. */
export function AdminRoutes(path = ''): ClassDecorator {
  return applyDecorators(Controller(path), UseGuards(AuthGuard, AdminGuard), StrictJson());
}
