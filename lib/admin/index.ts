export { OnlineUsersService } from './lists/online-users.service.js';
export type {
  EndedSessionsQuery,
  EventsQuery,
  OnlinePage,
  OnlineQuery,
  OnlineUsersQuery,
  UserSessionsQuery,
} from './lists/online-users.service.js';
export type { EndedCriteria, EventCriteria, OnlineCriteria } from './routes/admin-filters.js';
export type { Page, PageQuery } from './lists/cursor.js';
export type { OnlineSort, OnlineUser } from '../database/lists/online-queries.js';
export type { SessionEvent, SessionEventType } from '../model/session-event.js';
export { SessionAdminModule } from './session-admin.module.js';
export type { SessionAdminAsyncOptions, SessionAdminOptionsFactory } from './session-admin.module.js';
export type {
  AdminRight,
  ConsoleOptions,
  Operator,
  SessionAdminOptions,
  UserDescription,
} from './access/admin-options.js';
