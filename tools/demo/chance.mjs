import { randomFillSync } from 'node:crypto';

/** A whole number from 0 to below the limit. @param {number} limit */
export const below = (limit) => Math.floor(Math.random() * limit);

/** @template T @param {readonly T[]} list @returns {T} */
export const oneOf = (list) => list[below(list.length)];

/** Whether something happens that happens so often. @param {number} share 0 to 1 */
export const sometimes = (share) => Math.random() < share;

/** A number between two, small ones as likely as ones of ten times their size. @param {number} low @param {number} high */
export const scattered = (low, high) => Math.round(low * (high / low) ** Math.random());

/** One of the keys, as often as its weight says. @template {string} T @param {Record<T, number>} weights @returns {T} */
export function weighted(weights) {
  const entries = Object.entries(weights);
  let left = Math.random() * entries.reduce((sum, [, weight]) => sum + weight, 0);
  return (entries.find(([, weight]) => (left -= weight) < 0) ?? entries[0])[0];
}

const pool = Buffer.alloc(65_536);
let used = pool.length;

/** Random bytes as hexadecimal digits. @param {number} bytes */
export function randomHex(bytes) {
  if (used + bytes > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += bytes;
  return pool.toString('hex', used - bytes, used);
}
