import { changeWindow } from '../../cluster/recent-changes.js';
import { checkOptions } from '../../model/checked-input.js';
import {
  SessionError,
  type SessionErrorCode,
  cookieMessages,
  defaultMessages,
  invalidOption,
} from '../../model/session-error.js';
import { leastIdleMs } from '../../model/session-life.js';
import { type Timing, parseDuration, resolveTiming } from '../../model/timing.js';
import { type DevicePolicy, needsOf } from '../../rules/device-policy.js';
import { isTokenMode } from '../../tokens/token-mode.js';
import { type TokenTransport, isTransport } from '../cookies/transport.js';
import { HeaderOptions, RetentionOptions, type SessionHooks, SessionModuleOptions } from './session-options.js';
import { type StepUp, resolveStepUp } from './step-up.js';

/** RetentionOptions in milliseconds; null keeps forever. */
export type Retention = Readonly<Record<keyof RetentionOptions, number | null>>;

/** Validated options with defaults applied. */
export type ResolvedOptions = Required<
  Omit<
    SessionModuleOptions,
    | 'database'
    | 'clock'
    | 'redis'
    | 'graphql'
    | 'connections'
    | 'messages'
    | 'idleTimeout'
    | 'headers'
    | 'retention'
    | 'stepUp'
    | 'timing'
  >
> &
  Pick<SessionModuleOptions, 'clock' | 'database' | 'graphql' | 'redis'> & {
    /** Milliseconds; null for no idle timeout. */
    readonly idleMs: number | null;
    readonly headers: Required<HeaderOptions>;
    readonly retention: Retention;
    readonly stepUp: StepUp;
    readonly connections: { readonly verify: number; readonly work: number };
    readonly timing: Timing;
    readonly messages: Readonly<Record<SessionErrorCode, string>>;
  };

const KNOWN = { ...new SessionModuleOptions(), secret: true, database: true, clock: true, redis: true, graphql: true };
const CLOCK_METHODS = ['now', 'nowAt', 'monotonic'] as const;

/** @throws SessionError CONFIGURATION_INVALID naming the option and what to change */
export function resolveOptions(given: SessionModuleOptions): ResolvedOptions {
  if (typeof given !== 'object' || given === null) {
    const problem = 'got no options: the factory of forRootAsync() must return { secret, ... }.';
    throw new SessionError('CONFIGURATION_INVALID', `SessionModule ${problem}`);
  }
  checkOptions(given, '', KNOWN);
  const options = { ...new SessionModuleOptions(), ...definedIn(given) } as Omit<
    ResolvedOptions,
    'retention' | 'stepUp' | 'timing'
  > &
    Required<Pick<SessionModuleOptions, 'retention' | 'stepUp' | 'timing'>>;
  const { realm, tokenPrefix, policy, tokens, nearCache } = options;
  if (typeof realm !== 'string' || !/^[a-z0-9._-]{1,64}$/.test(realm)) {
    throw invalidOption('realm', "must be 1 to 64 of a-z, 0-9, '.', '_' and '-'");
  }
  if (typeof tokenPrefix !== 'string' || !/^[a-z0-9]{2,16}$/.test(tokenPrefix)) {
    throw invalidOption('tokenPrefix', 'must be 2 to 16 of a-z and 0-9');
  }
  if (typeof policy !== 'function' && typeof (policy as DevicePolicy | undefined)?.decide !== 'function') {
    throw invalidOption(
      'policy',
      'must be singleDevice(), oneDevicePerType(), multiDevice() or a function that picks one',
    );
  }
  if (typeof policy !== 'function') needsOf(policy);
  if (!isTokenMode(tokens)) {
    throw invalidOption('tokens', 'must be made by sliding(), accessAndRefresh(), fixed() or jwt()');
  }
  if (!isTransport(options.transport)) {
    throw invalidOption('transport', 'must be made by bearer(), cookies() or both()');
  }
  if (options.onReplace !== 'clear' && options.onReplace !== 'keep') {
    throw invalidOption('onReplace', 'must be clear or keep');
  }
  for (const name of ['runMigrations', 'sightings', 'allowLongerLife'] as const) {
    if (typeof options[name] !== 'boolean') throw invalidOption(name, 'must be true or false');
  }
  if (nearCache !== false && !isCount(nearCache?.maxEntries, 10_000_000)) {
    throw invalidOption('nearCache', 'must be false or { maxEntries: a whole number from 1 to 10,000,000 }');
  }
  if (nearCache) checkOptions(nearCache, 'nearCache.', { maxEntries: true });
  const { clock, graphql } = options;
  if (graphql !== undefined && typeof graphql !== 'function') {
    throw invalidOption('graphql', 'must be a function from a GraphQL context to { request, response, socket }');
  }
  if (clock !== undefined && CLOCK_METHODS.some((method) => typeof clock?.[method] !== 'function')) {
    throw invalidOption('clock', `must have the methods ${CLOCK_METHODS.join(', ')}`);
  }
  if (options.redis !== undefined && typeof options.redis?.create !== 'function') {
    throw invalidOption('redis', 'must be made by redis() of nestjs-latchkey/redis');
  }
  for (const name of ['connections', 'timing', 'messages', 'hooks', 'headers', 'retention'] as const) {
    if (typeof options[name] !== 'object' || options[name] === null) throw invalidOption(name, 'must be an object');
  }
  checkOptions(options.connections, 'connections.', { verify: true, work: true });
  const { verify = 4, work = 8 } = options.connections;
  if (!isCount(verify, 1000) || !isCount(work, 1000)) {
    throw invalidOption('connections', 'must be { verify, work }, whole numbers from 1 to 1000');
  }
  checkHooks(options.hooks);
  const timing = resolveTiming(options.timing, options.redis !== undefined);
  return {
    ...options,
    connections: { verify, work },
    timing,
    messages: resolveMessages(options.messages, options.transport),
    headers: resolveHeaders(options.headers),
    idleMs: resolveIdleTimeout(given.idleTimeout, timing.activityFlush),
    retention: resolveRetention(options.retention, timing),
    stepUp: resolveStepUp(options.stepUp),
  };
}

function resolveIdleTimeout(value: unknown, flushMs: number): number | null {
  if (value === undefined || value === false) return null;
  const idleMs = parseDuration(value, 'idleTimeout');
  if (idleMs < leastIdleMs(flushMs)) {
    throw invalidOption('idleTimeout', 'must be at least three times timing.activityFlush');
  }
  return idleMs;
}

/** Accepts instances of classes, with state and with methods on the prototype. */
function checkHooks(hooks: SessionHooks): void {
  for (const name of ['beforeLogin', 'onEvent'] as const) {
    if (!['undefined', 'function'].includes(typeof hooks[name]))
      throw invalidOption(`hooks.${name}`, 'must be a function');
  }
  for (const [name, hook] of Object.entries(hooks)) {
    if (name !== 'beforeLogin' && name !== 'onEvent' && typeof hook === 'function') {
      throw invalidOption(`hooks.${name}`, 'is unknown');
    }
  }
}

function resolveHeaders(given: object): Required<HeaderOptions> {
  const defaults = new HeaderOptions();
  checkOptions(given, 'headers.', defaults);
  const headers = { ...defaults, ...definedIn(given) };
  for (const [name, value] of Object.entries(headers)) {
    if (!isHeaderName(value) && !(name === 'noActivity' && value === false)) {
      throw invalidOption(`headers.${name}`, 'must be the name of an HTTP header');
    }
  }
  const { renewedToken, renewedTokenExpiresIn } = headers as Required<HeaderOptions>;
  if (renewedToken.toLowerCase() === renewedTokenExpiresIn.toLowerCase()) {
    throw invalidOption('headers.renewedTokenExpiresIn', 'must differ from headers.renewedToken');
  }
  return headers as Required<HeaderOptions>;
}

function resolveMessages(given: object, { kind }: TokenTransport): ResolvedOptions['messages'] {
  const messages = definedIn(given);
  for (const [code, text] of Object.entries(messages)) {
    if (!Object.hasOwn(defaultMessages, code))
      throw invalidOption(`messages.${code}`, 'is unknown: it must be the code of an error');
    if (typeof text !== 'string') throw invalidOption(`messages.${code}`, 'must be text');
  }
  return { ...defaultMessages, ...(kind === 'cookies' && cookieMessages), ...messages };
}

function definedIn(given: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** Tells if text has only characters of a field name (RFC 9110 section 5.1). */
export function isHeaderName(value: unknown): value is string {
  return typeof value === 'string' && /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}$/.test(value);
}

function isCount(value: unknown, max: number): boolean {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= max;
}

/** @throws SessionError CONFIGURATION_INVALID */
function resolveRetention(given: RetentionOptions, timing: Timing): Retention {
  const defaults = new RetentionOptions();
  checkOptions(given, 'retention.', defaults);
  const retention = Object.fromEntries(
    (Object.keys(defaults) as (keyof RetentionOptions)[]).map((name) => {
      const value = given[name] ?? false;
      return [name, value === false ? null : parseDuration(value, `retention.${name}`)];
    }),
  ) as Retention;
  const { endedSessions } = retention;
  if (endedSessions !== null && endedSessions < timing.endReasonTtl) {
    throw invalidOption(
      'retention.endedSessions',
      'must not be shorter than timing.endReasonTtl, for which the holder of a token is told why the session ended: make one ' +
        'longer or the other shorter',
    );
  }
  if (endedSessions !== null && endedSessions < changeWindow(timing.copyAge)) {
    throw invalidOption('retention.endedSessions', 'must be at least half a minute longer than timing.copyAge');
  }
  return retention;
}

/** @throws SessionError CONFIGURATION_INVALID if `forRoot` was called without options, which JavaScript allows */
export function needOptions(given: unknown, call: string, example: string): void {
  if (typeof given === 'object' && given !== null) return;
  throw new SessionError('CONFIGURATION_INVALID', `${call}() needs options: ${call}(${example}).`);
}

/** Checks the options of `forRootAsync`; without it Nest would fail later, without naming this library. */
export function needAsyncOptions(given: unknown, call: string, example: string): void {
  const { useFactory, useClass, useExisting } = (given ?? {}) as Record<string, unknown>;
  if (typeof useFactory === 'function' || typeof useClass === 'function' || useExisting) return;
  throw new SessionError(
    'CONFIGURATION_INVALID',
    `${call}() needs useFactory, useClass or useExisting: ${call}({ useFactory: () => (${example}) }).`,
  );
}

/** Returns the path of a module's routes. @throws SessionError CONFIGURATION_INVALID */
export function checkPath(path: unknown): string {
  if (typeof path === 'string' && /^[\w~-]+(\/[\w~-]+)*$/.test(path)) return path;
  throw invalidOption('path', 'must be a path such as "admin" or "ops/sessions", without slashes around it');
}

/** Names another module of this library in errors about its options. */
export function ofModule<T>(module: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    const { message } = error as Error;
    throw Object.assign(error as Error, { message: message.replace('SessionModule', module) });
  }
}
