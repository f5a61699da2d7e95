import type { DataSource, DataSourceOptions } from 'typeorm';
import type { SharedBackendFactory } from '../../cluster/shared-cache.js';
import type { BeforeLogin } from '../../commands/arguments.js';
import type { PolicyOption } from '../../commands/policy-choice.js';
import type { SessionErrorCode } from '../../model/session-error.js';
import type { Duration, TimingOptions } from '../../model/timing.js';
import type { Clock } from '../../ports/clock.js';
import { singleDevice } from '../../rules/device-policy.js';
import { type TokenMode, sliding } from '../../tokens/token-mode.js';
import { type TokenTransport, bearer } from '../cookies/transport.js';
import type { GraphqlParts } from '../graphql/operation.js';
import type { LifecycleListener } from './lifecycle-publisher.js';
import type { StepUpOptions } from './step-up.js';

/** Callbacks into the application. */
export interface SessionHooks {
  /** Vetoes logins before they are recorded. */
  readonly beforeLogin?: BeforeLogin;
  /** Receives every lifecycle event after its commit, as does @nestjs/event-emitter if the application uses it. */
  readonly onEvent?: LifecycleListener;
}

/** Names of HTTP headers. */
export class HeaderOptions {
  /** Response header with the successor of an access token near its expiry (sliding). */
  renewedToken?: string = 'X-Renewed-Token';
  /** Response header with the successor's lifetime in seconds. */
  renewedTokenExpiresIn?: string = 'X-Renewed-Token-Expires-In';
  /**
   * Request header that keeps a request from counting as a use of the session, with the value `1` or `true`. False
   * disables it.
   */
  noActivity?: string | false = 'X-No-Activity';
}

/**
 * Retention periods. Default: `false`, keep forever, because the library cannot know what is still evidence and what
 * must be gone. Expired rows are purged in the background, some sweeps later.
 */
export class RetentionOptions {
  /**
   * Ended sessions, with their data and sightings. At least `timing.endReasonTtl`, because the reason of the end goes
   * with them.
   */
  endedSessions?: Duration | false = false;
  /** Audit trail. */
  events?: Duration | false = false;
  /** Sightings (session and address), after the last one. */
  sightings?: Duration | false = false;
  /** Hourly statistics. */
  statistics?: Duration | false = false;
}

/** Options of SessionModule. Field initialisers are the defaults; only `secret` is required. */
export class SessionModuleOptions {
  /**
   * Application secret of at least 32 bytes, or a list of at most four: the first signs, all are accepted. Must be
   * equal on every node. Generate one with `openssl rand -base64 48`.
   */
  secret!: string | readonly string[];

  /**
   * Decides which sessions a login ends: singleDevice, oneDevicePerType, multiDevice, or a function that picks one per
   * login, alone or as `{ policy, life }` with the lives of the session (see LoginOptions.life).
   */
  policy?: PolicyOption = singleDevice();

  /** Lifetimes and renewal of tokens: sliding, accessAndRefresh, fixed, or jwt of `nestjs-latchkey/jwt`. */
  tokens?: TokenMode = sliding();

  /**
   * Ends sessions that were not used for this long; false never does. At least three times `timing.activityFlush`, the
   * interval at which uses are written; the end may come up to two intervals late.
   */
  idleTimeout?: Duration | false = false;

  /**
   * Lets logins live longer than `tokens` and `idleTimeout` say (see LoginOptions.life), up to 100 years. Default: false. Each sweep
   * reads the sessions that are idle by `idleTimeout` and not by their own.
   */
  allowLongerLife?: boolean = false;

  /** Records which session was used from which address, for operators. */
  sightings?: boolean = true;

  /** Retention periods of past data. Default: keep forever. */
  retention?: RetentionOptions = {};

  /**
   * How tokens travel: `bearer()` in the Authorization header, `cookies()` in cookies that no script can read, or `both()`.
   */
  transport?: TokenTransport = bearer();

  /** Answer to sessions that RequireFresh refuses. Default: 403. */
  stepUp?: StepUpOptions = {};

  /** Fate of a replaced session's data: `clear` deletes it, `keep` leaves it readable by session id. */
  onReplace?: 'clear' | 'keep' = 'clear';

  /** Callbacks into the application. */
  hooks?: SessionHooks = {};

  /** Names of HTTP headers. */
  headers?: HeaderOptions = {};

  /**
   * Name of the population of users: 1 to 64 of a-z, 0-9, '.', '_' and '-'. Modules of different realms are isolated,
   * tokens included, even with a shared database and secret. Sent to clients in challenges.
   */
  realm?: string = 'users';

  /** Prefix of tokens, 2 to 16 of a-z and 0-9, by which secret scanners find leaked ones. */
  tokenPrefix?: string = 'ses';

  /**
   * TypeORM DataSource, or options of one, for the sessions. Default: the application's default DataSource, as
   * TypeOrmModule.forRoot provides it. The library opens its own connections to the same database.
   */
  database?: DataSource | DataSourceOptions;

  /** Creates and migrates the module's tables at boot. */
  runMigrations?: boolean = true;

  /** Sizes of the connection pools: `verify` reads the sessions of requests; `work` serves logins, ends and lists. */
  connections?: { readonly verify?: number; readonly work?: number } = {};

  /**
   * Cache and message bus shared by the nodes: `redis(...)` of `nestjs-latchkey/redis`. Without it nodes query the
   * database, except a single node. Set it on all nodes of a realm or on none.
   */
  redis?: SharedBackendFactory;

  /**
   * In-memory cache of sessions; false disables it. Used while this is the only node on the database or, with `redis`,
   * while all nodes receive each other's changes.
   */
  nearCache?: false | { readonly maxEntries: number } = { maxEntries: 10_000 };

  /** Intervals and time limits. */
  timing?: TimingOptions = {};

  /** Overrides for the texts of error responses. */
  messages?: Partial<Readonly<Record<SessionErrorCode, string>>> = {};

  /**
   * Finds request, response and socket in a GraphQL context of the application's own shape. The contexts of Apollo, graphql-ws
   * and mercurius need none.
   */
  graphql?(context: object): GraphqlParts;

  /** Source of time, for tests. Default: follows the database's clock. */
  clock?: Clock;
}
