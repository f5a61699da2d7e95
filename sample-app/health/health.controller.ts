import { Controller, Get, HttpException, Inject } from '@nestjs/common';
import { Public, TokenService } from 'nestjs-latchkey';
import { SAMPLE_CONFIG, type SampleConfig } from '../config/sample-config.js';

/** A session that cannot be: reading it is the cheapest question that shows whether sessions can be read. */
const NO_SESSION = '0'.repeat(32);

@Controller('health')
export class HealthController {
  constructor(
    private readonly tokens: TokenService,
    @Inject(SAMPLE_CONFIG) private readonly config: SampleConfig,
  ) {}

  @Public()
  @Get()
  async health() {
    const parts = { redis: 'off', nearCache: this.config.nearCache };
    try {
      // Answered within the time budget of a verification, whatever state the database is in.
      await this.tokens.findSession(NO_SESSION);
    } catch {
      throw new HttpException({ status: 'error', database: 'down', ...parts }, 503);
    }
    return { status: 'ok', database: 'up', ...parts };
  }
}
