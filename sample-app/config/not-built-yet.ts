import { ConfigError } from './config-error.js';
import type { Environment } from './environment.js';

/** Variables of later versions, with the value that says what this version does anyway. */
const LATER = {
  REDIS_URL: null,
  TOKEN_MODE: null,
  REFRESH_TTL: null,
  RENEW_WITHIN: null,
  TOKEN_GRACE: null,
  IDLE_TIMEOUT: 'off',
  ON_REPLACE: 'clear',
} as const;

/** @throws ConfigError for a variable that would be without effect, rather than to start without it */
export function refuseWhatIsNotBuiltYet(environment: Environment): void {
  for (const [name, harmless] of Object.entries(LATER)) {
    const value = environment.text(name);
    if (value !== undefined && value !== harmless) {
      const instead = harmless === null ? 'Leave it unset' : `Leave it unset, or set it to ${harmless}`;
      throw new ConfigError(name, `is for something that this version does not have. ${instead}.`);
    }
  }
}
