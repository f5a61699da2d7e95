import type { DataSource, DataSourceOptions } from 'typeorm';
import type { SharedBackendFactory } from '../../cluster/shared-cache.js';
import type { BeforeLogin } from '../../commands/before-login.js';
import type { Clock } from '../../ports/clock.js';
import { type DevicePolicy, singleDevice } from '../../rules/device-policy.js';
import { type Duration, parseDuration, type TimingOptions, resolveTiming } from '../../model/timing.js';
import type { PolicyOption } from '../../commands/login.js';
import { type SessionErrorCode, defaultMessages, invalidOption } from '../../model/session-error.js';
import { checkOptions } from '../../model/checked-input.js';
import { type TokenMode, isTokenMode, sliding } from '../../tokens/token-mode.js';
import type { LifecycleListener } from './lifecycle-publisher.js';
import { type Retention, type RetentionOptions, resolveRetention } from './retention-options.js';
import { needReturned } from '../module-options.js';

/** Where an application takes part in what happens to sessions. */
export interface SessionHooks {
  /** May refuse a login that is about to be recorded. */
  readonly beforeLogin?: BeforeLogin;
  /** Is told of everything after it was recorded. @nestjs/event-emitter gets the same where the application has it. */
  readonly onEvent?: LifecycleListener;
}

/** Names of HTTP headers. */
export class HeaderOptions {
  /** Of an answer: the successor of an access token near its end (sliding). */
  renewedToken?: string = 'X-Renewed-Token';
  /** Of an answer: seconds to the end of that token. */
  renewedTokenExpiresIn?: string = 'X-Renewed-Token-Expires-In';
  /** Of a request: with the value `1` or `true` it does not count as a use of the session. False: there is none. */
  noActivity?: string | false = 'X-No-Activity';
}

/** Options of SessionModule. Field initialisers are the defaults; only `secret` must be given. */
export class SessionModuleOptions {
  /**
   * Secret of the application, 32 bytes or more, or a list of at most four: the first signs, all are accepted. The same on
   * every node. Make one with `openssl rand -base64 48`.
   */
  secret!: string | readonly string[];

  /** Which logins end which: singleDevice, oneDevicePerType, multiDevice, or a function that picks one for a login. */
  policy?: PolicyOption = singleDevice();

  /** How tokens live and what renews them: sliding, accessAndRefresh, fixed, or jwt of `nestjs-latchkey/jwt`. */
  tokens?: TokenMode = sliding();

  /**
   * Ends a session that was not used for this long; false for never. At least three times `timing.activityFlush`, since uses
   * are written that often; the end comes up to two of those later.
   */
  idleTimeout?: Duration | false = false;

  /** Whether it is recorded which session was used from which address, for operators. */
  sightings?: boolean = true;

  /** For how long records of the past are kept; each is false by default, for ever. */
  retention?: RetentionOptions = {};

  /** What a replaced login leaves of its session data: nothing, or all of it, readable by its session id. */
  onReplace?: 'clear' | 'keep' = 'clear';

  /** Where the application takes part. */
  hooks?: SessionHooks = {};

  /** Names of HTTP headers. */
  headers?: HeaderOptions = {};

  /**
   * Name of the population of users, 1 to 64 of a-z, 0-9, '.', '_' and '-'. Modules of different realms share nothing, not
   * even a token, though they may share a database and a secret. Sent to clients in challenges.
   */
  realm?: string = 'users';

  /** What tokens begin with, 2 to 16 of a-z and 0-9, so that scanners can find leaked ones. */
  tokenPrefix?: string = 'ses';

  /**
   * Where sessions are recorded: a TypeORM DataSource, or the options of one. The default is the application's default
   * DataSource, as TypeOrmModule.forRoot provides it. The library opens connections of its own to the same database.
   */
  database?: DataSource | DataSourceOptions;

  /** Whether the module creates and migrates its tables at boot. */
  runMigrations?: boolean = true;

  /** Connections to a database server: for reading sessions of requests, and for logins, ends and lists. */
  connections?: { readonly verify?: number; readonly work?: number } = {};

  /**
   * What the servers remember in common and how they tell each other of changes: `redis(...)` of `nestjs-latchkey/redis`.
   * Without it they ask the database, unless there is only one of them. All servers of a realm should have it, or none.
   */
  redis?: SharedBackendFactory;

  /**
   * Sessions that this process may remember, or false for none. Used while it is the only process on the database, or, with
   * `redis`, while all of them hear of each other's changes.
   */
  nearCache?: false | { readonly maxEntries: number } = { maxEntries: 10_000 };

  /** Times that the parts of the library agree on. */
  timing?: TimingOptions = {};

  /** Texts of error answers, in place of the default ones. */
  messages?: Partial<Readonly<Record<SessionErrorCode, string>>> = {};

  /** The source of time, for tests. The default follows the clock of the database. */
  clock?: Clock;
}

/** The options with their defaults, checked. */
export type ResolvedOptions = Required<
  Omit<
    SessionModuleOptions,
    'database' | 'clock' | 'redis' | 'connections' | 'messages' | 'idleTimeout' | 'headers' | 'retention'
  >
> &
  Pick<SessionModuleOptions, 'clock' | 'database' | 'redis'> & {
    /** Milliseconds; null for none. */
    readonly idleMs: number | null;
    readonly headers: Required<HeaderOptions>;
    readonly retention: Retention;
    readonly connections: { readonly verify: number; readonly work: number };
    readonly messages: Readonly<Record<SessionErrorCode, string>>;
  };

const KNOWN = { ...new SessionModuleOptions(), secret: true, database: true, clock: true, redis: true };
const CLOCK_METHODS = ['now', 'nowAt', 'monotonic'] as const;

/** @throws SessionError CONFIGURATION_INVALID naming the option and saying what to change */
export function resolveOptions(given: SessionModuleOptions): ResolvedOptions {
  needReturned(given, 'SessionModule', '{ secret, ... }');
  checkOptions(given, '', KNOWN);
  const options = { ...new SessionModuleOptions(), ...definedIn(given) } as Omit<ResolvedOptions, 'retention'> &
    Required<Pick<SessionModuleOptions, 'retention'>>;
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
  if (!isTokenMode(tokens)) {
    throw invalidOption('tokens', 'must be made by sliding(), accessAndRefresh(), fixed() or jwt()');
  }
  if (options.onReplace !== 'clear' && options.onReplace !== 'keep') {
    throw invalidOption('onReplace', 'must be clear or keep');
  }
  for (const name of ['runMigrations', 'sightings'] as const) {
    if (typeof options[name] !== 'boolean') throw invalidOption(name, 'must be true or false');
  }
  if (nearCache !== false && !isCount(nearCache?.maxEntries, 10_000_000)) {
    throw invalidOption('nearCache', 'must be false or { maxEntries: a whole number from 1 to 10,000,000 }');
  }
  if (nearCache) checkOptions(nearCache, 'nearCache.', { maxEntries: true });
  const { clock } = options;
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
    messages: resolveMessages(options.messages),
    headers: resolveHeaders(options.headers),
    idleMs: resolveIdleTimeout(given.idleTimeout, timing.activityFlush),
    retention: resolveRetention(options.retention, timing),
  };
}

function resolveIdleTimeout(value: unknown, flushMs: number): number | null {
  if (value === undefined || value === false) return null;
  const idleMs = parseDuration(value, 'idleTimeout');
  if (idleMs < 3 * flushMs) {
    throw invalidOption(
      'idleTimeout',
      'must be at least three times timing.activityFlush: make one longer or the other shorter',
    );
  }
  return idleMs;
}

/** They may be an object of a class, with state of its own and methods on its prototype. */
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
    // The characters of a field name: RFC 9110 section 5.1.
    const isName = typeof value === 'string' && /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}$/.test(value);
    if (!isName && !(name === 'noActivity' && value === false)) {
      throw invalidOption(`headers.${name}`, 'must be the name of an HTTP header');
    }
  }
  const { renewedToken, renewedTokenExpiresIn } = headers as Required<HeaderOptions>;
  if (renewedToken.toLowerCase() === renewedTokenExpiresIn.toLowerCase()) {
    throw invalidOption('headers.renewedTokenExpiresIn', 'must not be the same as headers.renewedToken');
  }
  return headers as Required<HeaderOptions>;
}

function resolveMessages(given: object): ResolvedOptions['messages'] {
  const messages = definedIn(given);
  for (const [code, text] of Object.entries(messages)) {
    if (!Object.hasOwn(defaultMessages, code)) throw invalidOption(`messages.${code}`, 'is not the code of an error');
    if (typeof text !== 'string') throw invalidOption(`messages.${code}`, 'must be text');
  }
  return { ...defaultMessages, ...messages };
}

function definedIn(given: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function isCount(value: unknown, max: number): boolean {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= max;
}
