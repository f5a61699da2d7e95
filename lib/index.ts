export { SessionModule } from './nest/session.module.js';
export { TokenService } from './core/token-service.js';
export { AuthGuard } from './nest/auth.guard.js';
export {
  CheckBan,
  CurrentSession,
  CurrentUser,
  NoActivity,
  Public,
  RequireFresh,
  Sensitive,
} from './nest/decorators.js';
export { SessionErrorFilter } from './nest/session-error.filter.js';
export { SessionStatus } from './nest/session-status.js';
export { multiDevice, oneDevicePerType, singleDevice } from './core/device-policy.js';
export { accessAndRefresh, fixed, sliding } from './core/token-mode.js';
export { EndPendingError, SessionError, TokenRefusedError } from './core/session-error.js';
export { sessionEntities } from './database/tables.js';
export { sessionMigrations } from './database/migrations/index.js';
export { SessionEntity } from './database/entities/session.entity.js';
export { SessionAccountEntity } from './database/entities/session-account.entity.js';
export { SessionDataEntity } from './database/entities/session-data.entity.js';
export { SessionEventEntity } from './database/entities/session-event.entity.js';
export { SessionSightingEntity } from './database/entities/session-sighting.entity.js';
export { SessionStatisticEntity } from './database/entities/session-statistic.entity.js';

export type { HeaderOptions, SessionHooks, SessionModuleOptions } from './nest/session-options.js';
export type { RetentionOptions } from './nest/retention-options.js';
export type { SessionStatusReport } from './nest/session-status.js';
export type { TimingOptions } from './core/timing.js';
export type { Duration } from './core/duration.js';
export type { GraceFrom, RefreshOptions, TokenMode } from './core/token-mode.js';
export type { DevicePolicy, LiveSession, LoginCandidate, Overflow, SlotDecision } from './core/device-policy.js';
export type { PolicyContext, PolicyOption } from './core/login-flow.js';
export type { ImpersonationOptions, KickOptions, LoginOptions } from './core/login-input.js';
export type { EndedSessionSummary, LoginResult } from './core/login-flow.js';
export type { TokenUse } from './core/token-use.js';
export type { RefreshResult } from './core/token-refresh.js';
export type { EndExplanation } from './core/end-explanation.js';
export type { Introspection } from './core/introspection.js';
export type { IssuedTokens } from './core/token-issuer.js';
export type { FailedLogin, FailedLoginReason } from './core/failed-logins.js';
export type { Ban } from './core/ban.js';
export type { BanOptions, BanResult } from './core/account-control.js';
export type { BeforeLogin, LoginAttempt } from './core/before-login.js';
export type { DataStore } from './core/data-store.js';
export type { LifecycleEvent } from './core/lifecycle-event.js';
export type { LifecycleListener, PublishedEvent } from './nest/lifecycle-publisher.js';
export type { Claims, Session, SessionEnd, SessionWithEnd } from './core/session.js';
export type { EndReason } from './core/end-reason.js';
export type { InvalidReason, Refusal, RenewedToken, Replacement, Verification } from './core/verification.js';
export type { SessionErrorCode } from './core/messages.js';
export type { UserId } from './core/user-key.js';
export type { Clock } from './core/clock.js';
export type { CurrentSessionUser } from './nest/current-session.js';
