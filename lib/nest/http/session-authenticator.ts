import type { Clock } from '../../ports/clock.js';
import type { UserSession } from '../../model/session.js';
import type { Verification } from '../../model/verification.js';
import { MAX_TOKEN_LENGTH } from '../../tokens/token-codec.js';
import type { Presentation } from '../../verification/known-tokens.js';
import type { Verifier } from '../../verification/verifier.js';
import type { ResolvedOptions } from '../module/resolve-options.js';
import type { HeaderOptions } from '../module/session-options.js';
import { Answers, type HttpAnswer, endDetails } from './answers.js';
import { userOf } from './fast-path/hidden-classes.js';
import { RequestBatch } from './fast-path/request-batch.js';
import { AuthenticatedSession, type GuardedRequest } from './identity.js';
import { type RouteRules, brokenRule } from './route-rules.js';

/** Provides the SessionAuthenticator to guards. Nest shows this text if SessionModule was not imported. */
export const SESSION_MODULE = Symbol('SessionModule.forRoot({ isGlobal: true }) of nestjs-latchkey');

/** Credential of an Authorization header. */
export type BearerCredential =
  | { readonly token: string; readonly refusal: null }
  | { readonly token: null; readonly refusal: 'TOKEN_MISSING' | 'TOKEN_MALFORMED' };

const MISSING: BearerCredential = { token: null, refusal: 'TOKEN_MISSING' };
const MALFORMED: BearerCredential = { token: null, refusal: 'TOKEN_MALFORMED' };
/** Scheme in any case (RFC 9110 section 11.1), one or more spaces, and a token68 (RFC 6750 section 2.1). */
const BEARER = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i;
const BEARER_SCHEME = /^bearer(?![!#$%&'*+\-.^_`|~0-9a-z])/i;

/**
 * Reads the Authorization header and nothing else: never a query, a body or a cookie. Another scheme counts as no
 * credential. Of two header lines Node keeps the first; a server that joins them leaves a comma, which is malformed.
 */
export function readBearer(header: unknown): BearerCredential {
  if (header === undefined || header === '') return MISSING;
  if (typeof header !== 'string') return MALFORMED;
  const token = header.length > MAX_TOKEN_LENGTH + 32 ? undefined : BEARER.exec(header)?.[1];
  if (token !== undefined) return { token, refusal: null };
  return BEARER_SCHEME.test(header) ? MALFORMED : MISSING;
}

/** Presentation of a request's token. */
class RequestUse implements Presentation {
  constructor(
    private readonly request: GuardedRequest,
    private readonly rules: Pick<RouteRules, 'strict' | 'activity'>,
    private readonly noActivityHeader: string | false,
  ) {}

  get strict(): boolean {
    return this.rules.strict;
  }

  get ip(): unknown {
    return this.request.ip;
  }

  get activity(): boolean {
    if (!this.rules.activity || this.noActivityHeader === false) return this.rules.activity;
    const value = this.request.headers?.[this.noActivityHeader];
    return typeof value !== 'string' || !/^(1|true)$/i.test(value);
  }
}

/** Authenticates requests for one SessionModule. */
export class SessionAuthenticator {
  readonly strategyName: string;
  readonly headers: Required<HeaderOptions>;
  readonly answers: Answers;
  readonly batch = new RequestBatch();
  private readonly noActivityHeader: string | false;
  /** By session, shared by all requests that memory answers. */
  private readonly identities = new WeakMap<UserSession, AuthenticatedSession>();

  constructor(
    private readonly parts: {
      readonly verifier: Verifier;
      readonly clock: Clock;
      readonly options: Pick<ResolvedOptions, 'realm' | 'messages' | 'headers'>;
      /** Random, because passport's registry is global to the process, and two modules must not collide. */
      readonly strategyName: string;
    },
  ) {
    const { options, strategyName } = parts;
    this.strategyName = strategyName;
    this.headers = options.headers;
    this.answers = new Answers(options);
    const { noActivity } = options.headers;
    this.noActivityHeader = noActivity === false ? false : noActivity.toLowerCase();
  }

  /** Returns the identity that a request's token proves, or the answer that refuses it. Synchronous on a cache hit. */
  authenticate(
    request: GuardedRequest,
    rules: RouteRules,
  ): AuthenticatedSession | HttpAnswer | Promise<AuthenticatedSession | HttpAnswer> {
    const { token, refusal } = readBearer(request.headers?.authorization);
    if (token === null) return this.answers.to(refusal);
    const verdict = this.parts.verifier.verify(token, new RequestUse(request, rules, this.noActivityHeader));
    return 'status' in verdict ? this.outcomeOf(verdict, rules) : verdict.then((later) => this.outcomeOf(later, rules));
  }

  /** Returns the answer to a request whose session breaks a rule of the route, or null. */
  refusalBy(rules: RouteRules, session: UserSession): HttpAnswer | null {
    if (rules.freshMs === null && rules.banChecks.length === 0) return null;
    const broken = brokenRule(session, rules, this.parts.clock.now());
    return broken && this.answers.to(broken.code, broken.details);
  }

  private outcomeOf(verdict: Verification, { strict }: RouteRules): AuthenticatedSession | HttpAnswer {
    if (verdict.status === 'INVALID') return this.answers.to(verdict.reason, endDetails(verdict));
    if (verdict.status === 'UNKNOWN') {
      this.answers.reports.unavailable(verdict.cause);
      return this.answers.to('SESSION_STORE_UNAVAILABLE');
    }
    const { session, renewed = null } = verdict;
    let identity = this.identities.get(session);
    if (!identity) {
      identity = new AuthenticatedSession({ user: userOf(session), session, strict: false, renewed: null, by: this });
      this.identities.set(session, identity);
    }
    return strict || renewed ? identity.with({ strict, renewed }) : identity;
  }
}
