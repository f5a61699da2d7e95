import { type INestApplicationContext, RequestMethod, type Type } from '@nestjs/common';
import { ApplicationConfig, ModulesContainer, Reflector } from '@nestjs/core';
import { checkOptions } from '../../model/checked-input.js';
import { END_REASONS } from '../../model/session.js';
import type { SessionErrorCode } from '../../model/session-error.js';
import { isSafeMethod } from '../cookies/request-origin.js';
import { loginDetails } from '../cookies/session-answer.js';
import { OwnRoutes } from '../http/route-input.js';
import { type RouteRules, routeRules } from '../http/route-rules.js';
import { SessionAuthenticator } from '../http/session-authenticator.js';
import { handlersOf, isGuarded, isGuardedEverywhere } from '../module/boot-checks.js';
import { ofModule } from '../module/resolve-options.js';
import { parametersOf } from './inputs.js';
import { OPERATOR_ROUTES, OWN_CONTROLLERS, OWN_ROUTES } from './own-routes.js';
import { type Answers, errorAnswer } from './schemas.js';

/** Options of documentSessions. */
export class DocumentOptions {
  /** Documents the routes of SessionRoutesModule, with schemas. Default: no document has them. */
  sessionRoutes?: boolean = false;
  /** Documents the routes of SessionAdminModule, with schemas, but for its page. Default: no document has them. */
  adminRoutes?: boolean = false;
}

/** A security scheme of OpenAPI, for `DocumentBuilder.addSecurity`. */
export type SecurityScheme =
  | { readonly type: 'http'; readonly scheme: 'bearer' }
  | { readonly type: 'apiKey'; readonly in: 'cookie'; readonly name: string };

type SchemeName = 'bearer' | 'cookie';
type Handler = () => unknown;

/** Metadata of `@nestjs/swagger`, which this library does not depend on. */
const SECURITY = 'swagger/apiSecurity';
const RESPONSE = 'swagger/apiResponse';
const PARAMETERS = 'swagger/apiParameters';
const OPERATION = 'swagger/apiOperation';
const EXCLUDE = 'swagger/apiExcludeController';
/** Value that was set here: a later document may have what an earlier one left out. */
const EXCLUDED = [true];

/**
 * Adds to the metadata of `@nestjs/swagger` what guards answer: the security of each guarded route, and its refusals with
 * their codes. Leaves what the application's own decorators say. Call it before `SwaggerModule.createDocument`.
 * @param app before or after `init`, its guards all set
 * @returns security schemes by name, for `DocumentBuilder.addSecurity`
 * @throws SessionError CONFIGURATION_INVALID for an unknown option
 */
export function documentSessions(
  app: INestApplicationContext,
  options: DocumentOptions = {},
): Readonly<Partial<Record<SchemeName, SecurityScheme>>> {
  ofModule('documentSessions', () => checkOptions(options, '', new DocumentOptions()));
  const modules = app.get(ModulesContainer);
  const isGlobal = isGuardedEverywhere(app.get(ApplicationConfig));
  const reflector = new Reflector();
  const authenticators = authenticatorsIn(modules);
  const schemes = schemesOf(authenticators);
  for (const { controllers } of modules.values()) {
    for (const { metatype } of controllers.values()) {
      const type = metatype as Type<object>;
      const isOwn = reflector.get(OwnRoutes, type) === true;
      const isRoutes = OWN_CONTROLLERS.some((own) => type.prototype instanceof own);
      for (const [name, handler] of handlersOf(type)) {
        if (!Reflect.hasMetadata('method', handler)) continue;
        const ofSessions = options.sessionRoutes === true && isRoutes ? OWN_ROUTES[name] : undefined;
        const own = ofSessions ?? (options.adminRoutes === true ? OPERATOR_ROUTES.get(type)?.[name] : undefined);
        if (isOwn && !own) {
          define(EXCLUDE, EXCLUDED, type);
          break;
        }
        if (own && Reflect.getOwnMetadata(EXCLUDE, type) === EXCLUDED) Reflect.deleteMetadata(EXCLUDE, type);
        if (own?.body)
          define(
            PARAMETERS,
            [{ in: 'body', type: String, required: 'required' in own.body, schema: own.body }],
            handler,
          );
        else if (own) define(PARAMETERS, parametersOf(handler, own.fields), handler);
        if (own) define(OPERATION, { summary: own.summary }, handler);
        const rules = routeRules(reflector, handler, type);
        const refused: Answers = {};
        if (!rules.isPublic && (isGlobal || isGuarded(handler) || isGuarded(type))) {
          if (!Reflect.hasMetadata(SECURITY, type)) define(SECURITY, securityOf(schemes, rules), handler);
          const codes = refusalsOf(rules, handler, 'cookie' in schemes, own?.refusals);
          Object.assign(refused, answersTo(codes, authenticators));
        } else if (isLogin(type, name)) {
          const codes: SessionErrorCode[] = ['SESSION_LIMIT_REACHED', 'SESSION_STORE_UNAVAILABLE'];
          if ('cookie' in schemes) codes.push('CROSS_SITE_REQUEST');
          Object.assign(refused, answersTo(codes, authenticators));
        }
        if (own || Object.keys(refused).length > 0) addResponses(type, name, handler, { ...refused, ...own?.answers });
      }
    }
  }
  return schemes;
}

function define(key: string, value: unknown, target: object): void {
  if (!Reflect.hasMetadata(key, target)) Reflect.defineMetadata(key, value, target);
}

function authenticatorsIn(modules: ModulesContainer): readonly SessionAuthenticator[] {
  return [...modules.values()].flatMap(
    ({ providers }) => (providers.get(SessionAuthenticator)?.instance as SessionAuthenticator | undefined) ?? [],
  );
}

function schemesOf(authenticators: readonly SessionAuthenticator[]): Partial<Record<SchemeName, SecurityScheme>> {
  const schemes: Partial<Record<SchemeName, SecurityScheme>> = {};
  for (const { transport, cookies } of authenticators) {
    if (transport.kind !== 'cookies') schemes.bearer = { type: 'http', scheme: 'bearer' };
    if (transport.kind !== 'bearer') schemes.cookie ??= { type: 'apiKey', in: 'cookie', name: cookies.name };
  }
  return schemes;
}

/** One of these, or none for a route with OptionalAuth. */
function securityOf(schemes: object, { optional }: RouteRules): readonly object[] {
  return [...(optional ? [{}] : []), ...Object.keys(schemes).map((name) => ({ [name]: [] }))];
}

function refusalsOf(
  rules: RouteRules,
  handler: Handler,
  byCookie: boolean,
  own: readonly SessionErrorCode[] = [],
): readonly SessionErrorCode[] {
  const { optional, roles, claims, banChecks, fresh, allowCrossSite } = rules;
  const codes: SessionErrorCode[] = ['SESSION_STORE_UNAVAILABLE'];
  if (!optional) codes.push('TOKEN_MISSING');
  if (!optional?.ignoreInvalid) codes.push('TOKEN_MALFORMED', 'TOKEN_INVALID', ...END_REASONS);
  if (roles || claims) codes.push('FORBIDDEN');
  if (banChecks.length > 0) codes.push('SERVICE_BANNED');
  if (fresh) codes.push('FRESH_LOGIN_REQUIRED');
  codes.push(...own);
  const method = RequestMethod[Reflect.getMetadata('method', handler) as RequestMethod];
  if (byCookie && !allowCrossSite && !isSafeMethod({ method })) codes.push('CROSS_SITE_REQUEST');
  return codes;
}

/** Collects the codes of each status in one answer. */
function answersTo(codes: readonly SessionErrorCode[], authenticators: readonly SessionAuthenticator[]): Answers {
  const byStatus = new Map<number, SessionErrorCode[]>();
  for (const code of codes) {
    // Those of two realms may differ.
    for (const status of new Set(authenticators.map(({ answers }) => answers.statusOf(code)))) {
      byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
    }
  }
  return Object.fromEntries([...byStatus].map(([status, ofStatus]) => [status, errorAnswer(status, ofStatus)]));
}

/** Adds answers that the application does not describe itself. */
function addResponses(type: Type<object>, name: string, handler: Handler, added: Answers): void {
  const known = Reflect.getMetadata(RESPONSE, handler) as Answers | undefined;
  Reflect.defineMetadata(RESPONSE, { ...added, ...(known ?? successOf(type, name, handler, added)) }, handler);
}

/** Says what `@nestjs/swagger` and its compiler plugin say of a handler only while no decorator describes an answer. */
function successOf(type: Type<object>, name: string, handler: Handler, added: Answers): Answers {
  const byDefault = Reflect.getMetadata('method', handler) === RequestMethod.POST ? 201 : 200;
  const status = (Reflect.getMetadata('__httpCode__', handler) as number | undefined) ?? byDefault;
  if (status in added) return {};
  const { _OPENAPI_METADATA_FACTORY: factory } = type as { _OPENAPI_METADATA_FACTORY?: () => Record<string, Plugin> };
  const { type: of, isArray, status: stated = status } = factory?.()[name] ?? {};
  const answer = of === undefined ? {} : { type: [of].flat()[0], isArray: isArray ?? Array.isArray(of) };
  return { [stated]: { description: '', ...answer } };
}

interface Plugin {
  readonly type?: unknown;
  readonly isArray?: boolean;
  readonly status?: number;
}

function isLogin(type: Type<object>, name: string): boolean {
  const parameters = (Reflect.getMetadata('__routeArguments__', type, name) ?? {}) as Record<
    string,
    { factory?: unknown }
  >;
  return Object.values(parameters).some(({ factory }) => factory === loginDetails);
}
