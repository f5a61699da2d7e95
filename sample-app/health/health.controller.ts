import { Controller, Get, HttpException } from '@nestjs/common';
import { Public, SessionStatus } from 'nestjs-latchkey';

@Controller('health')
export class HealthController {
  constructor(private readonly sessions: SessionStatus) {}

  /** Answered within the time budget of a verification, whatever hangs. */
  @Public()
  @Get()
  async health() {
    const { canVerify, database, redis, nearCache } = await this.sessions.read();
    const parts = { database, redis, nearCache };
    if (!canVerify) throw new HttpException({ status: 'error', ...parts }, 503);
    return { status: 'ok', ...parts };
  }
}
