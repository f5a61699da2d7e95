/** What every session of the benchmarks says about its user, ours and those of others. @param {number | string} index */
export const account = (index) => ({ userId: `user-${index}`, name: `User ${index}`, roles: ['reader'] });

/** @param {number} count @param {(account: ReturnType<typeof account>) => Promise<string>} logIn @returns {Promise<string[]>} */
export async function logInAll(count, logIn) {
  const given = [];
  for (let from = 0; from < count; from += 50) {
    const batch = Array.from({ length: Math.min(50, count - from) }, (_, index) => account(from + index));
    given.push(...(await Promise.all(batch.map(logIn))));
  }
  return given;
}

/** @param {string} token @returns {import('./load.mjs').Header} */
export const bearer = (token) => ['authorization', `Bearer ${token}`];

/** The text with one character changed, so far from its end that it decodes to something else. @param {string} text */
export function damaged(text) {
  const at = text.length - 10;
  return text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1);
}
