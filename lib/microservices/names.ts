import { misused } from '../model/session-error.js';

/**
 * Checks options that are all names.
 * @param where what has these options, for errors
 * @throws SessionError CONFIGURATION_INVALID for an unknown option, and for a value that is no name
 */
export function needNames<T extends object>(options: T, known: readonly (keyof T & string)[], where: string): T {
  for (const [name, value] of Object.entries(options)) {
    if (!known.some((one) => one === name)) {
      throw misused(`${where} has no option "${name}": it has ${known.join(' and ')}`);
    }
    if (value !== undefined && (typeof value !== 'string' || value === '')) {
      throw misused(`${where} needs a name as its option "${name}"`);
    }
  }
  return options;
}
