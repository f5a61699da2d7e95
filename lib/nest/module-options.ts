import { SessionError } from '../model/session-error.js';

/** @throws SessionError CONFIGURATION_INVALID where `forRoot` was called without options, as JavaScript lets it. */
export function needOptions(given: unknown, call: string, example: string): void {
  if (typeof given === 'object' && given !== null) return;
  throw new SessionError('CONFIGURATION_INVALID', `${call}() needs options: ${call}(${example}).`);
}

/** The same for `forRootAsync`, which Nest would fail on later without a word of this library. */
export function needAsyncOptions(given: unknown, call: string, example: string): void {
  const { useFactory, useClass, useExisting } = (given ?? {}) as Record<string, unknown>;
  if (typeof useFactory === 'function' || typeof useClass === 'function' || useExisting) return;
  throw new SessionError(
    'CONFIGURATION_INVALID',
    `${call}() needs useFactory, useClass or useExisting: ${call}({ useFactory: () => (${example}) }).`,
  );
}

/** The same for what `forRootAsync` was given by its factory or class. */
export function needReturned(given: unknown, module: string, example: string): asserts given is object {
  if (typeof given === 'object' && given !== null) return;
  const message = `${module} got no options: the factory of forRootAsync() must return ${example}.`;
  throw new SessionError('CONFIGURATION_INVALID', message);
}
