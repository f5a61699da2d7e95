import { dialectOf } from '../../dist/esm/database/engine/dialect.js';
import { addAmounts } from '../../dist/esm/database/journal/journal-statements.js';
import { tablesOf } from '../../dist/esm/database/schema/tables.js';
import { REALM } from './rows.mjs';

const HOUR_MS = 3_600_000;
const AMOUNTS_IN_ONE = 500;

/** What the library would have counted by the hour, had the sessions been opened and ended by it. */
export class Statistics {
  /** Amounts by `hour kind name`. */
  #counts = new Map();
  /** By the hour, how many more sessions are live from then on. */
  #changes = new Map();

  /** @param {import('./history.mjs').DemoSession} session */
  addSession({ createdAt, deviceType, end }) {
    this.#count(createdAt, 'login', deviceType);
    this.#change(createdAt, 1);
    if (!end) return;
    this.#count(end.at, 'end', end.reason);
    // It was live in the hour in which it ended, of which the most at a time count.
    this.#change(end.at + HOUR_MS, -1);
  }

  /** @param {number} at @param {string} reason */
  addFailedLogin(at, reason) {
    this.#count(at, 'failed-login', reason);
  }

  /** Adds all of it to what is there. @param {import('typeorm').QueryRunner} runner @param {number} now */
  async write(runner, now) {
    const { dataSource } = runner;
    const dialect = dialectOf(dataSource.options.type);
    const amounts = [...this.#counts.values(), ...(await this.#online(runner, now))];
    for (let from = 0; from < amounts.length; from += AMOUNTS_IN_ONE) {
      const chunk = amounts.slice(from, from + AMOUNTS_IN_ONE);
      const statement = addAmounts(tablesOf(dataSource), dialect.merging, REALM, chunk);
      await runner.query(statement.render(dialect.placeholder), [...statement.values]);
    }
  }

  /** The library keeps the higher amount of two; these sessions are there beside those that it counted. */
  async #online(runner, now) {
    const rows = await runner.query(
      `SELECT hour, amount FROM latchkey_statistic WHERE realm = '${REALM}' AND kind = 'online'`,
    );
    const known = new Map(rows.map(({ hour, amount }) => [Number(hour), Number(amount)]));
    const amounts = [];
    let live = 0;
    const first = Math.min(...this.#changes.keys());
    for (let hour = first; hour <= hourOf(now); hour += HOUR_MS) {
      live += this.#changes.get(hour) ?? 0;
      amounts.push({ hour, kind: 'online', name: '', amount: live + (known.get(hour) ?? 0) });
    }
    return amounts;
  }

  #count(at, kind, name) {
    const hour = hourOf(at);
    const key = `${hour} ${kind} ${name}`;
    const amount = (this.#counts.get(key)?.amount ?? 0) + 1;
    this.#counts.set(key, { hour, kind, name, amount });
  }

  #change(at, by) {
    const hour = hourOf(at);
    this.#changes.set(hour, (this.#changes.get(hour) ?? 0) + by);
  }
}

function hourOf(at) {
  return Math.floor(at / HOUR_MS) * HOUR_MS;
}
