import type { AccountControl } from './account-control.js';
import type { ActivityRecorder } from './activity-recorder.js';
import type { Clock } from './clock.js';
import type { DataStores } from './data-store.js';
import type { FailedLogins } from './failed-logins.js';
import type { LoginFlow } from './login-flow.js';
import type { SecretKeys } from './secret-keys.js';
import type { SessionChanges } from './session-changes.js';
import type { SessionEnding } from './session-ending.js';
import type { SessionLookup } from './session-lookup.js';
import type { SessionRepository } from './session-repository.js';
import type { SessionWatch } from './session-watch.js';
import type { TokenRefresh } from './token-refresh.js';
import type { Verifier } from './verifier.js';

/** What a TokenService is made of. */
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
