import { OpaqueAccessTokens } from '../tokens/access-token-format.js';
import { AccountControl } from '../commands/account-control.js';
import type { ActivityRecorder } from '../journal/activity-recorder.js';
import type { BeforeLogin } from '../commands/before-login.js';
import type { Changes } from '../changes/commit.js';
import type { Clock } from '../ports/clock.js';
import type { DataRepository } from '../ports/data-repository.js';
import { DataStores } from '../commands/data-store.js';
import { type EventBatch, FailedLogins } from '../journal/failed-logins.js';
import { IdleTimeout } from '../verification/idle-timeout.js';
import type { LifecycleEvents } from '../model/lifecycle-event.js';
import { LoginFlow, type PolicyOption } from '../commands/login.js';
import type { RotationRules } from '../rules/rotation.js';
import type { SecretKeys } from '../tokens/secret-keys.js';
import { SessionChanges } from '../commands/session-changes.js';
import { SessionEnding } from '../commands/session-ending.js';
import { SessionLookup } from '../verification/session-lookup.js';
import type { SessionRepository } from '../ports/session-repository.js';
import { SessionWatch } from '../verification/session-watch.js';
import type { Timing } from '../model/timing.js';
import { TokenCodec } from '../tokens/token-codec.js';
import { TokenIssuer } from '../tokens/token-issuer.js';
import type { TokenMode } from '../tokens/token-mode.js';
import { TokenRefresh } from '../commands/token-refresh.js';
import { TokenRenewal } from '../verification/token-renewal.js';
import { OperatorService } from './operator-service.js';
import { SessionService } from './session-service.js';
import { TokenService } from './token-service.js';
import type { VerificationStats } from '../verification/verification-stats.js';
import { KnownTokens } from '../verification/known-tokens.js';
import type { VerificationCache } from '../ports/verification-cache.js';
import { Verifier } from '../verification/verifier.js';

/** What the services work on and how they are to behave. */
export interface ServiceSettings {
  readonly realm: string;
  readonly keys: SecretKeys;
  readonly tokenPrefix: string;
  readonly mode: TokenMode;
  readonly policy: PolicyOption;
  /** Milliseconds; null for no idle timeout. */
  readonly idleMs: number | null;
  readonly keepReplacedData: boolean;
  readonly beforeLogin: BeforeLogin | null;
  readonly timing: Timing;
  /** Most reads of the database at once. */
  readonly parallelReads: number;
  readonly repository: SessionRepository;
  readonly dataRepository: DataRepository;
  readonly cache: VerificationCache;
  readonly changes: Changes;
  /** Most tokens that are known by their hash. */
  readonly maxKnownTokens: number;
  readonly stats: VerificationStats;
  readonly activity: ActivityRecorder;
  /** Where events go that nobody waits for. */
  readonly eventBatch: EventBatch;
  readonly events: LifecycleEvents;
  readonly clock: Clock;
}

/** How exactly lastSeenAt is known: uses are noted this often at most, and so many times between two writes at least. */
const MAX_USE_INTERVAL_MS = 1000;
const USES_PER_FLUSH = 10;

/** How long after its timeout a session may still be saved by uses that are not written yet. Milliseconds. */
export function idleSlack(timing: Timing): number {
  return 2 * timing.activityFlush;
}

/** The services and what belongs to them: `watch` is to be started and stopped with the application. */
export interface Services {
  readonly tokens: TokenService;
  readonly sessions: SessionService;
  readonly operators: OperatorService;
  readonly watch: SessionWatch;
  readonly lookup: SessionLookup;
  readonly verifier: Verifier;
}

/** Puts the services together from what is inside. */
export function createServices(settings: ServiceSettings): Services {
  const { realm, keys, mode, timing, repository, cache, changes, activity, events, clock } = settings;
  const rules: RotationRules = {
    mode,
    endReasonTtlMs: timing.endReasonTtl,
    idleMs: settings.idleMs,
    idleSlackMs: idleSlack(timing),
  };
  const shared = { repository, activity, events, clock, rules, cache, changes };
  const codec = new TokenCodec(keys, settings.tokenPrefix);
  const format = mode.accessFormat?.({ keys, realm }) ?? new OpaqueAccessTokens(codec);
  const issuer = new TokenIssuer({ keys, codec, format, mode, clock });
  const { parallelReads } = settings;
  const lookup = new SessionLookup({ ...shared, parallelReads, budgetMs: timing.verifyBudget });
  const known = new KnownTokens({
    ...shared,
    maxEntries: settings.maxKnownTokens,
    maxLength: format.maxLength,
    useIntervalMs: Math.min(MAX_USE_INTERVAL_MS, timing.activityFlush / USES_PER_FLUSH),
  });
  const verifier = new Verifier({
    ...shared,
    lookup,
    codec,
    format,
    known,
    // Half of the time is left for the verification itself.
    renewal: new TokenRenewal({ ...shared, issuer, budgetMs: timing.verifyBudget / 2 }),
    idle: new IdleTimeout(repository, activity, changes, rules, timing.verifyBudget),
    stats: settings.stats,
    budgetMs: timing.verifyBudget,
  });
  const ending = new SessionEnding(repository, changes);
  const watch = new SessionWatch(
    (sessionId) => lookup.find(sessionId),
    (token) => verifier.inspect(token),
    clock,
    timing.pollFreshness,
  );
  const inside = {
    ...shared,
    realm,
    keys,
    lookup,
    verifier,
    loginFlow: new LoginFlow({
      ...shared,
      keys,
      issuer,
      verifier,
      ending,
      mode,
      policy: settings.policy,
      beforeLogin: settings.beforeLogin,
      loginBudgetMs: timing.loginBudget,
      keepReplacedData: settings.keepReplacedData,
    }),
    failedLogins: new FailedLogins(realm, settings.eventBatch, events, clock),
    tokenRefresh: new TokenRefresh({ ...shared, codec, issuer, lookup }),
    ending,
    changes: new SessionChanges(repository, changes, events, lookup),
    accounts: new AccountControl(repository, changes),
    data: new DataStores(settings.dataRepository, lookup),
    watch,
  };
  return {
    tokens: new TokenService(inside),
    sessions: new SessionService(inside),
    operators: new OperatorService(inside),
    watch,
    lookup,
    verifier,
  };
}
