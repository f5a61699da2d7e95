import { Get } from '@nestjs/common';
import { toEventItem } from './admin-items.js';
import { readEventsQuery } from './admin-requests.js';
import { AdminRoutes } from './admin-route.js';
import { type EventsQuery, OnlineUsersService } from '../lists/online-users.service.js';
import { CurrentOperator, type KnownOperator } from '../access/operator.js';
import { QueryFields } from './request-input.js';
import { UserDirectory } from '../lists/user-directory.js';
import { forbidAddresses } from '../access/within-rights.js';

/** The audit trail. */
@AdminRoutes('events')
export class EventsController {
  constructor(
    private readonly online: OnlineUsersService,
    private readonly users: UserDirectory,
  ) {}

  @Get()
  async list(@QueryFields(readEventsQuery) wanted: EventsQuery, @CurrentOperator() operator: KnownOperator) {
    forbidAddresses(operator, wanted.ip);
    const { items, ...page } = await this.online.events(wanted);
    const users = await this.users.describe(items.flatMap(({ userId }) => userId ?? []));
    return { items: items.map((item) => toEventItem(item, { users, operator })), ...page };
  }
}
