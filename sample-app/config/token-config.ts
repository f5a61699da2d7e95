import type { Duration } from 'nestjs-latchkey';
import { longer, partOf, shorter } from './durations.js';
import type { Environment } from './environment.js';
import { parsePrivateKeys } from './private-keys.js';
import type { TokenConfig } from './sample-config.js';

const MODES = ['refresh', 'sliding', 'jwt'] as const;

/**
 * Reads what says how tokens live, and nothing of what its mode does not use: refuseUnused says so, whatever it holds. A default that does not fit what is set makes way: with ACCESS_TTL=10s and nothing else,
 * the grace is 10s as well. What is set and contradicts itself is refused later, by the session library.
 * @throws ConfigError
 */
export function readTokens(environment: Environment, isProduction: boolean): TokenConfig {
  const mode = environment.choice('TOKEN_MODE', MODES, 'refresh');
  const life = environment.duration<Duration>('ACCESS_TTL', mode === 'sliding' ? '2h' : '30m');
  const grace = environment.duration<Duration>('TOKEN_GRACE', shorter('30s', life), mode === 'sliding' ? '1ms' : '0s');
  const maxAge = environment.duration<Duration>('MAX_AGE', '90d');
  if (mode === 'sliding') {
    const renewWithin = environment.duration<Duration>('RENEW_WITHIN', shorter('5m', partOf(life, 2)));
    return { mode, ttl: life, renewWithin, grace, maxAge };
  }
  const refresh = environment.duration<Duration>('REFRESH_TTL', longer('30d', life));
  const pair = { access: life, refresh, grace, maxAge };
  if (mode === 'refresh') return { mode, ...pair };
  return { mode, privateKeys: parsePrivateKeys(environment.text('JWT_PRIVATE_KEY'), isProduction), ...pair };
}
