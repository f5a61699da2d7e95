import type { Type } from '@nestjs/common';
import { type ApplicationConfig, MetadataScanner, type ModulesContainer, type Reflector } from '@nestjs/core';
import { AuthGuard as PassportAuthGuard } from '@nestjs/passport';
import passport from 'passport';
import { SessionError, misused } from '../../model/session-error.js';
import { graphqlOptionsOf, ignoresGuards } from '../graphql/field-guards.js';
import { AuthGuard } from '../http/auth.guard.js';
import { Public } from '../http/route-decorators.js';
import { SESSION_MODULE } from '../http/session-authenticator.js';
import { SessionVerifier } from '../http/session-verifier.js';
import { contradictionOf, requirementsOf, routeRules } from '../http/route-rules.js';
import { SessionRuntime } from './session-runtime.js';

type Module = NonNullable<ReturnType<ModulesContainer['get']>>;

/** Guards that an application may have used before, or mistake for ours. Passport makes one class per strategy. */
const FOREIGN_GUARDS = [undefined, 'bearer', 'http-bearer', 'jwt'].map((strategy) => ({
  strategy,
  guard: PassportAuthGuard(strategy),
}));

/** Refuses two modules of a realm on one database: neither could cache. @throws SessionError CONFIGURATION_INVALID */
export function refuseTwin(modules: ModulesContainer, own: SessionRuntime): void {
  for (const { providers } of modules.values()) {
    const other = providers.get(SessionRuntime)?.instance as SessionRuntime | null | undefined;
    if (!other || other === own) continue;
    if (other.options.realm !== own.options.realm || other.database.address !== own.database.address) continue;
    throw new SessionError(
      'CONFIGURATION_INVALID',
      `SessionModule is configured twice for the realm "${own.options.realm}" on one database. Call forRoot once, with isGlobal: ` +
        'true or exported by a module that others import, or give each its own option "realm".',
    );
  }
}

/**
 * Refuses a part injected by its class where two SessionModules provide it: Nest would pick one of them silently.
 * @param parts injection tokens that do not name a realm
 * @throws SessionError CONFIGURATION_INVALID
 */
export function refuseAmbiguousRealm(modules: ModulesContainer, parts: readonly unknown[]): void {
  for (const module of modules.values()) {
    if (module.providers.has(SessionRuntime)) continue;
    const realms = realmsSeenBy(module);
    if (realms.size < 2) continue;
    for (const { name, metatype, inject } of [module.controllers, module.providers, module.injectables].flatMap(
      (all) => [...all.values()],
    )) {
      const ambiguous = (inject ?? injectedInto(metatype)).find((token) => parts.includes(token));
      if (ambiguous === undefined) continue;
      const [first] = realms;
      const part = typeof ambiguous === 'function' ? ambiguous.name : 'the SessionModule';
      throw misused(
        `${String(name)} in ${module.name} is given ${part}, and its module has those of the realms ${[...realms].join(', ')}. Name one: ` +
          `AuthGuard.for('${first}'), @InjectTokens('${first}'), @InjectSessions('${first}') or @InjectOperators('${first}')`,
      );
    }
  }
}

/** Names the realms of which a module can inject parts. Follows imports and what they export, as Nest does. */
function realmsSeenBy(module: Module, isImported = false, seen = new Set<Module>()): Set<string> {
  const realms = new Set<string>();
  for (const imported of module.imports) {
    if (seen.has(imported) || (isImported && !module.exports.has(imported.metatype))) continue;
    seen.add(imported);
    const runtime = imported.providers.get(SessionRuntime)?.instance as SessionRuntime | undefined;
    const found = runtime ? [runtime.options.realm] : realmsSeenBy(imported, true, seen);
    for (const realm of found) realms.add(realm);
  }
  return realms;
}

/** Injection tokens of a class: types of its constructor's arguments, unless decorated, and of properties. */
function injectedInto(type: unknown): readonly unknown[] {
  if (typeof type !== 'function') return [];
  const metadata = <T>(key: string): readonly T[] => (Reflect.getMetadata(key, type) ?? []) as readonly T[];
  const tokens = [...metadata('design:paramtypes')];
  for (const { index, param } of metadata<{ index: number; param: unknown }>('self:paramtypes')) tokens[index] = param;
  return [...tokens, ...metadata<{ type: unknown }>('self:properties_metadata').map((one) => one.type)];
}

/** Names guards of @nestjs/passport without a strategy, such as AuthGuard('bearer'), which answer with 500. */
export function findForeignGuards(modules: ModulesContainer): readonly string[] {
  const found = new Set<string>();
  for (const module of modules.values()) {
    for (const { metatype, instance } of [...module.injectables.values(), ...module.providers.values()]) {
      const foreign = is(metatype, AuthGuard) ? undefined : FOREIGN_GUARDS.find(({ guard }) => is(metatype, guard));
      if (!foreign) continue;
      const { options } = (instance ?? {}) as { options?: { defaultStrategy?: string | string[] } };
      const strategies = [foreign.strategy ?? options?.defaultStrategy ?? []].flat();
      if (strategies.some(isRegistered)) continue;
      const call = `AuthGuard(${strategies.map((one) => `'${one}'`).join(', ')})`;
      found.add(
        `${module.metatype.name} has a guard ${call} of @nestjs/passport, for which there is no strategy: it answers every request ` +
          'with 500. Import AuthGuard from nestjs-latchkey instead, and do not call it: @UseGuards(AuthGuard).',
      );
    }
  }
  return [...found];
}

/**
 * Refuses rules that nothing enforces: a route with RequireRole or the like and without AuthGuard would be open. A guard that
 * is given AuthGuard or SessionVerifier counts as well. A field whose guards GraphQLModule ignores has none. Refuses guards made by
 * hand too, which could verify nothing.
 * @throws SessionError CONFIGURATION_INVALID naming the first such handler, or decorators that contradict each other
 */
export function refuseUnguardedRules(modules: ModulesContainer, config: ApplicationConfig, reflector: Reflector): void {
  const isGlobal = isGuardedEverywhere(config);
  const graphql = graphqlOptionsOf(modules);
  for (const { controllers, providers, metatype: module } of modules.values()) {
    for (const { metatype } of [...controllers.values(), ...providers.values()]) {
      if (typeof metatype !== 'function' || !metatype.prototype) continue;
      const type = metatype as Type<object>;
      for (const [name, handler] of handlersOf(type)) {
        const targets = [handler, type];
        const place = `${type.name}.${name}()`;
        const byHand = [...config.getGlobalGuards(), ...targets.flatMap(guardsOf)].find(isMadeByHand);
        if (byHand) {
          throw misused(
            `${place} is guarded by new ${byHand.constructor.name}(), which Nest gives no sessions to verify: use the class, as in ` +
              '@UseGuards(AuthGuard), or for all routes { provide: APP_GUARD, useClass: AuthGuard }',
          );
        }
        const contradiction = targets.map((target) => contradictionOf(reflector, target)).find((one) => one !== null);
        if (contradiction) throw misused(`${place} has both ${contradiction}: keep the one that is meant`);
        const opened = targets.find((one) => Reflect.hasOwnMetadata(Public.KEY, one) && guardsOf(one).some(isOfRealm));
        if (opened && routeRules(reflector, handler, type).isPublic) {
          throw misused(
            `${place} has both @Public() and AuthGuard.for(), and @Public() opens it to all realms: keep the one that is meant. If an ` +
              'AuthGuard of all routes refuses the other realm, put it on its own controllers instead',
          );
        }
        const rule = targets.flatMap((target) => requirementsOf(reflector, target))[0];
        if ((rule !== undefined || isGuarded(handler)) && ignoresGuards(graphql, handler, module)) {
          throw misused(
            `${place} has ${rule === undefined ? 'AuthGuard' : `@${rule}()`}, but GraphQLModule runs no guards for @ResolveField() and @ResolveReference(), so ` +
              "it would be open: set its option fieldResolverEnhancers: ['guards'], or guard the query that leads to the field",
          );
        }
        if (rule === undefined || isGlobal || targets.some(isGuarded)) continue;
        throw misused(
          `${place} has @${rule}(), but no AuthGuard enforces it, so it would be open: add @UseGuards(AuthGuard), or AuthGuard for all ` +
            'routes with { provide: APP_GUARD, useClass: AuthGuard }',
        );
      }
    }
  }
}

/** Tells if the application has AuthGuard for all routes. */
export function isGuardedEverywhere(config: ApplicationConfig): boolean {
  const everywhere = [...config.getGlobalGuards(), ...config.getGlobalRequestGuards()];
  return everywhere.some((guard) => enforces('metatype' in guard ? guard.metatype : guard.constructor));
}

/** Tells if a route or controller has AuthGuard. */
export function isGuarded(target: object): boolean {
  return guardsOf(target).some(enforces);
}

function guardsOf(target: object): readonly unknown[] {
  return (Reflect.getMetadata('__guards__', target) ?? []) as readonly unknown[];
}

/** True for AuthGuard.for() and its subclasses, which are not given the only SessionModule. */
function isOfRealm(guard: unknown): boolean {
  return is(guard, AuthGuard) && !injectedInto(guard).includes(SESSION_MODULE);
}

/** True for an AuthGuard that was not made by Nest, which injects its property. */
function isMadeByHand(guard: unknown): guard is AuthGuard {
  return guard instanceof AuthGuard && Reflect.get(guard, 'authenticator') === undefined;
}

/** Handlers of a class that Nest calls: routes, resolvers and messages, which all have metadata. */
export function handlersOf(type: Type<object>): (readonly [string, () => unknown])[] {
  return new MetadataScanner().getAllMethodNames(type.prototype as object).flatMap((name) => {
    const handler = (type.prototype as Record<string, unknown>)[name];
    const isHandler = typeof handler === 'function' && Reflect.getMetadataKeys(handler).length > 0;
    return isHandler ? [[name, handler as () => unknown] as const] : [];
  });
}

/** True for AuthGuard, and for a guard with AuthGuard or SessionVerifier among its dependencies. */
function enforces(guard: unknown): boolean {
  const type: unknown = typeof guard === 'function' ? guard : (guard as object | null)?.constructor;
  if (typeof type !== 'function') return false;
  return is(type, AuthGuard) || injectedInto(type).some((one) => is(one, AuthGuard) || one === SessionVerifier);
}

function is(metatype: unknown, guard: Type<object>): boolean {
  return metatype === guard || (typeof metatype === 'function' && metatype.prototype instanceof guard);
}

function isRegistered(strategy: string): boolean {
  return (passport as unknown as { _strategy(name: string): unknown })._strategy(strategy) !== undefined;
}
