export { OnlineUsersService } from './online-users.service.js';
export type {
  EndedSessionsQuery,
  EventsQuery,
  OnlinePage,
  OnlineQuery,
  OnlineUsersQuery,
  UserSessionsQuery,
} from './online-users.service.js';
export type { EndedCriteria, EventCriteria, OnlineCriteria } from './admin-filters.js';
export type { Page, PageQuery } from './cursor.js';
export type { OnlineSort, OnlineUser } from '../database/online-queries.js';
export type { SessionEvent, SessionEventType } from '../core/session-event.js';
export { SessionAdminModule } from './session-admin.module.js';
export type { AdminRight, ConsoleOptions, Operator, SessionAdminOptions, UserDescription } from './admin-options.js';
