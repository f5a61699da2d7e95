import { Injectable } from '@nestjs/common';
import { type HealthIndicatorResult, HealthIndicatorService } from '@nestjs/terminus';
import { SessionStatus } from '../nest/module/session-status.js';

/**
 * Health indicator for `@nestjs/terminus`: reports whether tokens can be verified. Add it to the `providers` of a
 * module that imports TerminusModule, and SessionModule unless that is global.
 */
@Injectable()
export class SessionHealthIndicator {
  constructor(
    private readonly sessions: SessionStatus,
    private readonly indicators: HealthIndicatorService,
  ) {}

  /**
   * Reports down only if no token can be verified: a node that still answers from memory stays in rotation. Details are
   * those of SessionStatus. Resolves within `timing.verifyBudget`; never rejects.
   * @param key name of the result, default `sessions`
   */
  async isHealthy(key = 'sessions'): Promise<HealthIndicatorResult> {
    const { canVerify, ...details } = await this.sessions.read();
    const indicator = this.indicators.check(key);
    return canVerify ? indicator.up(details) : indicator.down(details);
  }
}
