import type { DataSource, DataSourceOptions } from 'typeorm';
import type { SharedBackendFactory } from '../../cluster/shared-cache.js';
import type { BeforeLogin } from '../../commands/arguments.js';
import type { PolicyOption } from '../../commands/login.js';
import type { SessionErrorCode } from '../../model/session-error.js';
import type { Duration, TimingOptions } from '../../model/timing.js';
import type { Clock } from '../../ports/clock.js';
import { singleDevice } from '../../rules/device-policy.js';
import { type TokenMode, sliding } from '../../tokens/token-mode.js';
import type { LifecycleListener } from './lifecycle-publisher.js';

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

/**
 * For how long records of the past are kept; false for ever, which is the default of all: whether a record may still be needed
 * as evidence, or must be gone by now, the library cannot know. Removed in the background, some sweeps later.
 */
export class RetentionOptions {
  /** Sessions after their end, with their data and sightings. At least `timing.endReasonTtl`: no one can be told why afterwards. */
  endedSessions?: Duration | false = false;
  /** The audit trail. */
  events?: Duration | false = false;
  /** Which session was used from which address, after the last such use. */
  sightings?: Duration | false = false;
  /** Counts by the hour. */
  statistics?: Duration | false = false;
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
