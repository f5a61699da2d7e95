import type { AccountControl } from '../commands/account-control.js';
import type { ActivityRecorder } from '../journal/activity-recorder.js';
import type { Clock } from '../ports/clock.js';
import type { DataStores } from '../commands/data-store.js';
import type { FailedLogins } from '../journal/failed-logins.js';
import type { LoginFlow } from '../commands/login-flow.js';
import type { SecretKeys } from '../tokens/secret-keys.js';
import type { SessionChanges } from '../commands/session-changes.js';
import type { SessionEnding } from '../commands/session-ending.js';
import type { SessionLookup } from '../verification/session-lookup.js';
import type { SessionRepository } from '../ports/session-repository.js';
import type { SessionWatch } from '../verification/session-watch.js';
import type { TokenRefresh } from '../commands/token-refresh.js';
import type { Verifier } from '../verification/verifier.js';

/** The parts that a TokenService calls. */
export interface TokenServiceParts {
  readonly realm: string;
  readonly keys: SecretKeys;
  readonly repository: SessionRepository;
  readonly lookup: SessionLookup;
  readonly verifier: Verifier;
  readonly loginFlow: LoginFlow;
  readonly failedLogins: FailedLogins;
  readonly tokenRefresh: TokenRefresh;
  readonly ending: SessionEnding;
  readonly changes: SessionChanges;
  readonly accounts: AccountControl;
  readonly data: DataStores;
  readonly watch: SessionWatch;
  readonly activity: ActivityRecorder;
  readonly clock: Clock;
}
