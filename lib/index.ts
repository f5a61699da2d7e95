export { SessionModule } from './nest/module/session.module.js';
export { TokenService } from './services/token-service.js';
export { AuthGuard } from './nest/http/auth.guard.js';
export {
  CheckBan,
  CurrentSession,
  CurrentUser,
  NoActivity,
  Public,
  RequireFresh,
  Sensitive,
} from './nest/http/decorators.js';
export { SessionErrorFilter } from './nest/http/session-error.filter.js';
export { SessionStatus } from './nest/module/session-status.js';
export { multiDevice, oneDevicePerType, singleDevice } from './rules/device-policy.js';
export { accessAndRefresh, fixed, sliding } from './tokens/token-mode.js';
export { ChangePendingError, SessionError, TokenRefusedError } from './model/session-error.js';
export { sessionEntities } from './database/schema/tables.js';
export { sessionMigrations } from './database/schema/migrations/index.js';
export { SessionEntity } from './database/schema/entities/session.entity.js';
export { SessionAccountEntity } from './database/schema/entities/session-account.entity.js';
export { SessionDataEntity } from './database/schema/entities/session-data.entity.js';
export { SessionEventEntity } from './database/schema/entities/session-event.entity.js';
export { SessionSightingEntity } from './database/schema/entities/session-sighting.entity.js';
export { SessionStatisticEntity } from './database/schema/entities/session-statistic.entity.js';

export type { HeaderOptions, SessionHooks, SessionModuleOptions } from './nest/module/session-options.js';
export type { RetentionOptions } from './nest/module/retention-options.js';
export type { SessionStatusReport } from './nest/module/session-status.js';
export type { TimingOptions } from './model/timing.js';
export type { Duration } from './model/duration.js';
export type { GraceFrom } from './model/token-pair.js';
export type { RefreshOptions, TokenMode } from './tokens/token-mode.js';
export type { DevicePolicy, Overflow } from './rules/device-policy.js';
export type { LiveSession, LoginCandidate, SlotDecision } from './model/device-slot.js';
export type { PolicyContext, PolicyOption } from './commands/login-flow.js';
export type { ImpersonationOptions, KickOptions, LoginOptions } from './commands/login-input.js';
export type { EndedSessionSummary, LoginResult } from './commands/login-flow.js';
export type { TokenUse } from './verification/token-use.js';
export type { RefreshResult } from './commands/token-refresh.js';
export type { EndExplanation } from './verification/end-explanation.js';
export type { Introspection } from './verification/introspection.js';
export type { IssuedTokens } from './tokens/token-issuer.js';
export type { FailedLogin } from './journal/failed-logins.js';
export type { FailedLoginReason } from './model/lifecycle-event.js';
export type { Ban } from './model/ban.js';
export type { BanOptions, BanResult } from './commands/account-control.js';
export type { BeforeLogin, LoginAttempt } from './commands/before-login.js';
export type { DataStore } from './commands/data-store.js';
export type { LifecycleEvent } from './model/lifecycle-event.js';
export type { LifecycleListener, PublishedEvent } from './nest/module/lifecycle-publisher.js';
export type { Claims, Session, SessionEnd, SessionWithEnd } from './model/session.js';
export type { EndReason } from './model/end-reason.js';
export type { InvalidReason, Refusal, RenewedToken, Replacement, Verification } from './model/verification.js';
export type { SessionErrorCode } from './model/session-error.js';
export type { UserId } from './model/user-key.js';
export type { Clock } from './ports/clock.js';
export type { CurrentSessionUser } from './nest/http/current-session.js';
