import type { DataSource, DataSourceOptions } from 'typeorm';
import type { Clock } from '../core/clock.js';
import { type DevicePolicy, singleDevice } from '../core/device-policy.js';
import type { PolicyOption } from '../core/login-flow.js';
import type { SessionErrorCode } from '../core/messages.js';
import { defaultMessages } from '../core/messages.js';
import { invalidOption } from '../core/session-error.js';
import type { TimingOptions } from '../core/timing.js';
import { type TokenLifetimes, fixed } from '../core/token-lifetimes.js';

/** Options of SessionModule. Field initialisers are the defaults; only `secret` must be given. */
export class SessionModuleOptions {
  /**
   * Secret of the application, 32 bytes or more, or a list of at most four: the first signs, all are accepted. The same on
   * every node. Make one with `openssl rand -base64 48`.
   */
  secret!: string | readonly string[];

  /** Which logins end which: singleDevice, oneDevicePerType, multiDevice, or a function that picks one for a login. */
  policy?: PolicyOption = singleDevice();

  /** How long tokens live. */
  tokens?: TokenLifetimes = fixed();

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

  /** Sessions that this process may remember, or false for none. Used only while it is the only process on the database. */
  nearCache?: false | { readonly maxEntries: number } = { maxEntries: 10_000 };

  /** Times that the parts of the library agree on. */
  timing?: TimingOptions = {};

  /** Texts of error answers, in place of the default ones. */
  messages?: Partial<Readonly<Record<SessionErrorCode, string>>> = {};

  /** The source of time, for tests. The default follows the clock of the database. */
  clock?: Clock;
}

/** The options with their defaults, checked. */
export type ResolvedOptions = Required<Omit<SessionModuleOptions, 'database' | 'clock' | 'connections' | 'messages'>> &
  Pick<SessionModuleOptions, 'clock' | 'database'> & {
    readonly connections: { readonly verify: number; readonly work: number };
    readonly messages: Readonly<Record<SessionErrorCode, string>>;
  };

const KNOWN = new Set([...Object.keys(new SessionModuleOptions()), 'secret', 'database', 'clock']);

/** @throws SessionError CONFIGURATION_INVALID naming the option and saying what to change */
export function resolveOptions(given: SessionModuleOptions): ResolvedOptions {
  if (typeof given !== 'object' || given === null) throw invalidOption('options', 'must be an object');
  for (const name of Object.keys(given)) {
    if (!KNOWN.has(name)) throw invalidOption(name, `is not known; known are ${[...KNOWN].sort().join(', ')}`);
  }
  const options = { ...new SessionModuleOptions(), ...definedIn(given) } as ResolvedOptions;
  const { realm, tokenPrefix, policy, tokens, nearCache, runMigrations } = options;
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
  if (!isPositive(tokens?.accessMs) || !isPositive(tokens.maxAgeMs)) {
    throw invalidOption('tokens', "must be made by fixed({ ttl: '2h' })");
  }
  if (typeof runMigrations !== 'boolean') throw invalidOption('runMigrations', 'must be true or false');
  if (nearCache !== false && !isCount(nearCache?.maxEntries, 10_000_000)) {
    throw invalidOption('nearCache', 'must be false or { maxEntries: a whole number from 1 to 10,000,000 }');
  }
  for (const name of ['connections', 'timing', 'messages'] as const) {
    if (typeof options[name] !== 'object' || options[name] === null) throw invalidOption(name, 'must be an object');
  }
  const { verify = 4, work = 8 } = options.connections;
  if (!isCount(verify, 1000) || !isCount(work, 1000)) {
    throw invalidOption('connections', 'must be { verify, work }, whole numbers from 1 to 1000');
  }
  return { ...options, connections: { verify, work }, messages: resolveMessages(options.messages) };
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

function isPositive(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value > 0;
}

function isCount(value: unknown, max: number): boolean {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= max;
}
