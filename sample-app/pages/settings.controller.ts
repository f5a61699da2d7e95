import { Get, Inject } from '@nestjs/common';
import { Public } from 'nestjs-latchkey';
import { policyText } from '../config/session-policy.js';
import { SAMPLE_CONFIG, type SampleConfig } from '../config/sample-config.js';
import { JsonRoutes } from '../http/input.js';

/** What the pages tell of the configuration: nothing that names a machine, and no secret. */
@JsonRoutes('settings')
export class SettingsController {
  constructor(@Inject(SAMPLE_CONFIG) private readonly config: SampleConfig) {}

  @Public()
  @Get()
  settings() {
    const { policy, tokens, transport, database, redisUrl, idleTimeout, nearCache } = this.config;
    return {
      policy: policyText(policy),
      overflow: 'max' in policy && policy.max !== undefined ? policy.overflow : null,
      tokenMode: tokens.mode,
      tokenTransport: transport.kind,
      accessTtl: tokens.mode === 'sliding' ? tokens.ttl : tokens.access,
      refreshTtl: tokens.mode === 'sliding' ? null : tokens.refresh,
      idleTimeout: idleTimeout === false ? null : idleTimeout,
      database: database.kind === 'server' ? database.type : 'sqlite',
      redis: redisUrl !== null,
      nearCache,
    };
  }
}
