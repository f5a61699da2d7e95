import type { Type } from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';
import { AuthGuard as PassportAuthGuard } from '@nestjs/passport';
import passport from 'passport';
import { SessionError } from '../../model/session-error.js';
import { AuthGuard } from '../http/auth.guard.js';
import { SessionRuntime } from './session-runtime.js';

/** Guards that an application may have used before, or mistake for ours. Passport makes one class per strategy. */
const FOREIGN_GUARDS = [undefined, 'bearer', 'http-bearer', 'jwt'].map((strategy) => ({
  strategy,
  guard: PassportAuthGuard(strategy),
}));

/**
 * Refuses a second module of the same realm on the same database: to each other they would be two nodes, and neither
 * could use its cache.
 * @throws SessionError CONFIGURATION_INVALID
 */
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
 * Names guards of @nestjs/passport without a strategy, such as AuthGuard() and AuthGuard('bearer') in place of ours,
 * which answer every request with 500.
 */
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

function is(metatype: unknown, guard: Type<object>): boolean {
  return metatype === guard || (typeof metatype === 'function' && metatype.prototype instanceof guard);
}

function isRegistered(strategy: string): boolean {
  return (passport as unknown as { _strategy(name: string): unknown })._strategy(strategy) !== undefined;
}
