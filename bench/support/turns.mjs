import { median, quantile, short } from './rounds.mjs';

/** How long each route is loaded before the other has its turn. Short, so that what else the machine does hits both alike. */
export const TURN_MS = 100;
export const CONNECTIONS = 20;
/** A process that has not been loaded for a while takes some time to get going. */
const COLD_MS = 500;

/** @typedef {{ path: string, answers: number, ms: number, cpuMicros: number }} Turn what a process did while a path had its turn */

/** In the process that is loaded: what it does in each turn of two routes. */
export class TurnRecorder {
  #turns = [];
  #path = null;
  #changedAt = 0;
  /** Answers until none is of a request that was sent before the change. */
  #settling = 0;
  /** Null while settling. */
  #began = null;
  #answers = 0;

  /** To be called by both routes, with their path. */
  count(path) {
    if (path !== this.#path) this.#change(path);
    else if (this.#began) this.#answers++;
    else if (--this.#settling === 0) this.#began = moment();
  }

  /** @returns {Turn[]} the turns since the last call */
  take() {
    const turns = this.#turns;
    this.#turns = [];
    this.#path = null;
    this.#began = null;
    return turns;
  }

  /** Requests that were under way when the turns changed come late: they change nothing back. */
  #change(path) {
    if (this.#path !== null && performance.now() - this.#changedAt < TURN_MS / 2) return;
    const { at, cpu } = moment();
    if (this.#began) {
      const [ms, cpuMicros] = [at - this.#began.at, cpu - this.#began.cpu];
      this.#turns.push({ path: this.#path, answers: this.#answers, ms, cpuMicros });
    }
    this.#path = path;
    this.#changedAt = at;
    this.#settling = CONNECTIONS;
    this.#began = null;
    this.#answers = 0;
  }
}

function moment() {
  const { user, system } = process.cpuUsage();
  return { at: performance.now(), cpu: user + system };
}

/**
 * Each turn of a route beside the mean of the turns before and after it, which were those of the other route.
 *
 * @param {Turn[]} turns of one load
 * @param {string} path
 */
export function besideNeighbours(turns, path) {
  const warm = turns.slice(Math.ceil(COLD_MS / TURN_MS));
  const own = warm.slice(1, -1).flatMap((turn, index) => {
    if (turn.path !== path) return [];
    const neighbours = [warm[index], warm[index + 2]].map(figuresOf);
    const turnFigures = figuresOf(turn);
    const mean = (figure) => (neighbours[0][figure] + neighbours[1][figure]) / 2;
    return {
      ...turnFigures,
      ratio: turnFigures.perSecond / mean('perSecond'),
      addedMicros: turnFigures.cpuMicros - mean('cpuMicros'),
    };
  });
  if (own.length === 0) throw new Error(`${path} had no turn between two others: ${JSON.stringify(turns)}`);
  return own;
}

function figuresOf({ answers, ms, cpuMicros }) {
  return { perSecond: (answers * 1000) / ms, cpuMicros: cpuMicros / answers };
}

/** "0.75 (0.71 to 0.80)": the median, and what the middle half is between. @param {readonly number[]} ratios */
export function middleText(ratios) {
  return `${short(median(ratios))} (${short(quantile(ratios, 0.25))} to ${short(quantile(ratios, 0.75))})`;
}
