const MOST = 20_000_000;

/** What somebody got wrong; the message is all that they are told. */
export class OptionError extends Error {}

/**
 * @typedef {object} DemoOptions
 * @property {number} sessions live ones to add, default 20,000
 * @property {number} ended past ones to add, default as many
 * @property {number} users over whom they are spread, default 7 for 10 live sessions
 * @property {string | undefined} database as DATABASE_URL, which is the default
 */

/** @param {readonly string[]} args @param {Record<string, string | undefined>} env @returns {DemoOptions} @throws OptionError */
export function readOptions(args, env) {
  const given = {};
  for (const arg of args) {
    const [, name, value] = /^--([a-z]+)=(.+)$/s.exec(arg) ?? [];
    if (!['sessions', 'ended', 'users', 'database'].includes(name)) {
      throw new OptionError(
        `${JSON.stringify(arg)} is unknown. Options: --sessions=N, --ended=N, --users=N and --database=URL.`,
      );
    }
    given[name] = value;
  }
  const sessions = count(given, 'sessions', 0, 20_000);
  const ended = count(given, 'ended', 0, sessions);
  const users = count(given, 'users', 1, Math.max(1, Math.ceil(Math.max(sessions, ended) * 0.7)));
  return { sessions, ended, users, database: given.database ?? (env.DATABASE_URL?.trim() || undefined) };
}

function count(given, name, min, fallback) {
  if (given[name] === undefined) return fallback;
  const number = /^\d{1,9}$/.test(given[name]) ? Number(given[name]) : NaN;
  if (number >= min && number <= MOST) return number;
  throw new OptionError(`--${name} must be a whole number from ${min} to ${MOST}.`);
}
