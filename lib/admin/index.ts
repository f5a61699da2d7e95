export { OnlineUsersService } from './online-users.service.js';
export type {
  EventsQuery,
  OnlinePage,
  OnlineQuery,
  Page,
  PageQuery,
  UserSessionsQuery,
} from './online-users.service.js';
export type { OnlineSort } from '../database/session-queries.js';
export type { SessionEvent, SessionEventType } from '../core/session-event.js';
