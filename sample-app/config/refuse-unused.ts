import { ConfigError } from './config-error.js';
import type { Environment } from './environment.js';
import type { SampleConfig } from './sample-config.js';

type Decided = Pick<SampleConfig, 'policy' | 'tokens' | 'transport'>;

/** Variables that mean something with some values of another one only. */
const NEEDS: readonly {
  readonly name: string;
  readonly needed: string;
  readonly isUsed: (config: Decided) => boolean;
}[] = [
  {
    name: 'SESSION_OVERFLOW',
    needed: 'SESSION_POLICY=multi:N or per-device-type+multi:N',
    isUsed: ({ policy }) => 'max' in policy && policy.max !== undefined,
  },
  {
    name: 'TRUSTED_ORIGINS',
    needed: 'TOKEN_TRANSPORT=cookie or both',
    isUsed: ({ transport }) => transport.kind !== 'bearer',
  },
  { name: 'REFRESH_TTL', needed: 'TOKEN_MODE=refresh or jwt', isUsed: ({ tokens }) => tokens.mode !== 'sliding' },
  { name: 'RENEW_WITHIN', needed: 'TOKEN_MODE=sliding', isUsed: ({ tokens }) => tokens.mode === 'sliding' },
  { name: 'JWT_PRIVATE_KEY', needed: 'TOKEN_MODE=jwt', isUsed: ({ tokens }) => tokens.mode === 'jwt' },
];

/** @throws ConfigError for a variable that is set and would have no effect */
export function refuseUnused(environment: Environment, config: Decided): void {
  for (const { name, needed, isUsed } of NEEDS) {
    if (environment.text(name) === undefined || isUsed(config)) continue;
    throw new ConfigError(name, `must be left out, or used with ${needed}: it has no effect without.`);
  }
}
