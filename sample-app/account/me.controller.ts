import { Get, HttpCode, Post } from '@nestjs/common';
import {
  CurrentSession,
  CurrentUser,
  OptionalAuth,
  Public,
  RequireFresh,
  RequireRole,
  Sensitive,
  type UserSession,
} from 'nestjs-latchkey';
import type { SampleUser } from '../auth/sample-user.js';
import { JsonRoutes } from '../http/input.js';

@JsonRoutes()
export class MeController {
  @Public()
  @Get('public')
  open() {
    return { message: 'Everyone may read this.' };
  }

  @OptionalAuth()
  @Get('optional')
  optional(@CurrentUser() user: SampleUser | null) {
    return { user };
  }

  @RequireRole('auditor', 'admin')
  @Get('reports')
  reports() {
    return { message: 'Auditors and administrators may read this.' };
  }

  @Get('me')
  me(@CurrentUser() user: SampleUser, @CurrentSession() session: UserSession) {
    return {
      userId: user.userId,
      username: user.username,
      roles: user.roles,
      sessionId: session.id,
      deviceType: session.deviceType,
      deviceId: session.deviceId,
      deviceName: session.deviceName,
      amr: session.amr,
      createdAt: new Date(session.createdAt).toISOString(),
      expiresAt: new Date(session.expiresAt).toISOString(),
      ...(session.impersonator !== null && { impersonator: session.impersonator }),
    };
  }

  /** What nobody should do with a session that was left open: the database is asked, and the password was given lately. */
  @Sensitive()
  @RequireFresh('10m')
  @Post('me/sensitive')
  @HttpCode(200)
  sensitive(@CurrentUser('userId') userId: string) {
    return { done: true, userId };
  }
}
