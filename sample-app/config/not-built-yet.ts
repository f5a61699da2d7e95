import { ConfigError } from './config-error.js';
import type { Environment } from './environment.js';

/** Variables of later versions. */
const LATER = ['REDIS_URL'] as const;

/** @throws ConfigError for a variable that would be without effect, rather than to start without it */
export function refuseWhatIsNotBuiltYet(environment: Environment): void {
  for (const name of LATER) {
    if (environment.text(name) !== undefined) {
      throw new ConfigError(name, 'is for something that this version does not have. Leave it unset.');
    }
  }
}
