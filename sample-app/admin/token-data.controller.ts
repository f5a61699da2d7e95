import { Get, Param } from '@nestjs/common';
import { CurrentUser, SessionError, SessionService } from 'nestjs-latchkey';
import type { SampleUser } from '../auth/sample-user.js';
import { JsonRoutes } from '../http/input.js';
import { isAdmin } from './is-admin.js';

@JsonRoutes('admin')
export class TokenDataController {
  constructor(private readonly sessions: SessionService) {}

  /** What the session of a replaced login left behind, with ON_REPLACE=keep; and what a live one holds. */
  @Get('sessions/:id/token-data')
  async tokenData(@Param('id') id: string, @CurrentUser() user: SampleUser) {
    if (!isAdmin(user)) throw new SessionError('FORBIDDEN');
    return { data: await this.sessions.data(id).entries() };
  }
}
