export {
  SessionModule,
  type SessionModuleAsyncOptions,
  type SessionOptionsFactory,
} from './nest/module/session.module.js';
export { OperatorService } from './services/operator-service.js';
export { SessionService } from './services/session-service.js';
export { TokenService } from './services/token-service.js';
export { AuthGuard, OptionalAuth } from './nest/http/auth.guard.js';
export { InjectOperators, InjectSessions, InjectTokens, getTokenServiceToken } from './nest/http/realms.js';
export { CurrentSession, CurrentUser } from './nest/http/identity.js';
export {
  AllowCrossSite,
  CheckBan,
  type FreshOptions,
  NoActivity,
  type OptionalAuthOptions,
  Public,
  RequireClaims,
  RequireFresh,
  RequireRole,
  Sensitive,
} from './nest/http/route-decorators.js';
export { InjectVerifier, type SessionCheck, SessionVerifier } from './nest/http/session-verifier.js';
export { SessionErrorFilter } from './nest/http/session-error.filter.js';
export { bearer, both, cookies } from './nest/cookies/transport.js';
export {
  LoginDetails,
  PresentedRefreshToken,
  PresentedToken,
  SessionAnswer,
  type SessionAnswerBody,
} from './nest/cookies/session-answer.js';
export { SessionCookies } from './nest/cookies/session-cookies.js';
export type { GatewayOptions } from './nest/routes/gateway.controller.js';
export type { Reauthenticator } from './nest/routes/session-routes.controller.js';
export { SessionRoutesModule, type SessionRoutesOptions } from './nest/routes/session-routes.module.js';
export { type DocumentOptions, type SecurityScheme, documentSessions } from './nest/openapi/document-sessions.js';
export { SessionStatus } from './nest/module/session-status.js';
export { allOf } from './rules/combined-policy.js';
export { multiDevice, oneDevicePerType, singleDevice } from './rules/device-policy.js';
export { accessAndRefresh, fixed, sliding } from './tokens/token-mode.js';
export { type LimitedSession, SessionLimitError } from './model/session-limit-error.js';
export { ChangePendingError, SessionError, TokenRefusedError } from './model/session-error.js';
export { sessionEntities } from './database/schema/tables.js';
export { sessionMigrations } from './database/schema/migrate.js';
export {
  LatchkeyAccount,
  LatchkeyData,
  LatchkeyEvent,
  LatchkeySession,
  LatchkeySighting,
  LatchkeyStatistic,
} from './database/schema/entities.js';

export type {
  HeaderOptions,
  RetentionOptions,
  SessionHooks,
  SessionModuleOptions,
} from './nest/module/session-options.js';
export type { StepUpOptions } from './nest/module/step-up.js';
export type { CookieOptions, TokenTransport } from './nest/cookies/transport.js';
export type { FindGraphqlParts, GraphqlParts } from './nest/graphql/operation.js';
export type { SessionStatusReport } from './nest/module/session-status.js';
export type { TimingOptions } from './model/timing.js';
export type { Duration } from './model/timing.js';
export type { GraceFrom } from './model/token-pair.js';
export type { RefreshOptions, TokenMode } from './tokens/token-mode.js';
export type { DevicePolicy, DeviceTypes, Overflow } from './rules/device-policy.js';
export type { LiveSession, LoginCandidate, PolicyNeeds, SlotDecision } from './model/session-change.js';
export type { PolicyContext, PolicyOption, PolicyWithLife } from './commands/policy-choice.js';
export type { SessionLife } from './commands/login-life.js';
export type { BeforeLogin, LoginAttempt, LoginOptions, ClaimsFunction, MakeRoom } from './commands/arguments.js';
export type { ImpersonationOptions, KickOptions } from './commands/operator-arguments.js';
export type { EndedSessionSummary, LoginResult } from './commands/login.js';
export type { Introspection, RefreshUse, TokenUse } from './verification/token-use.js';
export type { ReauthenticationOptions } from './services/session-service.js';
export type { RevokeOptions } from './services/token-service.js';
export type { RefreshResult } from './commands/refresh.js';
export type { EndExplanation } from './verification/session-lookup.js';
export type { IssuedTokens } from './tokens/token-issuer.js';
export type { FailedLogin } from './journal/failed-logins.js';
export type { FailedLoginReason } from './model/session-event.js';
export type { Ban } from './model/ban.js';
export type { UserClaimsOptions } from './commands/claims.js';
export type { BanOptions, BanResult, LiftBanOptions } from './commands/ban.js';
export type { DataStore } from './commands/data.js';
export type { LifecycleEvent } from './model/session-event.js';
export type { LifecycleListener, PublishedEvent } from './nest/module/lifecycle-publisher.js';
export type {
  Claims,
  EndReason,
  SessionClaims,
  SessionDetails,
  SessionEnd,
  SessionWithEnd,
  UserSession,
  ClaimsPatch,
} from './model/session.js';
export type { InvalidReason, Refusal, RenewedToken, Replacement, Verification } from './model/verification.js';
export type { SessionErrorCode } from './model/session-error.js';
export type { UserId } from './model/user-key.js';
export type { Clock } from './ports/clock.js';
export type { CurrentSessionUser } from './nest/http/identity.js';
