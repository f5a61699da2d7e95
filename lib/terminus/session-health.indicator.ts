import { Injectable } from '@nestjs/common';
import { type HealthIndicatorResult, HealthIndicatorService } from '@nestjs/terminus';
import { SessionStatus } from '../nest/module/session-status.js';

/**
 * Tells `@nestjs/terminus` whether tokens can be verified. Add it to the `providers` of a module that imports TerminusModule,
 * and SessionModule unless that is global.
 */
@Injectable()
export class SessionHealthIndicator {
  constructor(
    private readonly sessions: SessionStatus,
    private readonly indicators: HealthIndicatorService,
  ) {}

  /**
   * Down only if no token can be verified, so that a server is not taken away that still answers from memory. The details are
   * those of SessionStatus. Answered within `timing.verifyBudget`; never rejects.
   * @param key what the result is called; default `sessions`
   */
  async isHealthy(key = 'sessions'): Promise<HealthIndicatorResult> {
    const { canVerify, ...details } = await this.sessions.read();
    const indicator = this.indicators.check(key);
    return canVerify ? indicator.up(details) : indicator.down(details);
  }
}
