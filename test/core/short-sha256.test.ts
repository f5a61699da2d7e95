import { hash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { shortSha256 } from '../../lib/core/short-sha256.js';

/** Two bytes in each character, the lower one in its lower half, and the words of the hash from their ends. */
function hexOf(characters: string): string {
  const words = Array.from({ length: 8 }, (_, word) => {
    const value = characters.charCodeAt(2 * word) + characters.charCodeAt(2 * word + 1) * 2 ** 16;
    return value.toString(16).padStart(8, '0');
  });
  return words.join('');
}

const ascii = (length: { minLength: number; maxLength: number }) =>
  fc.string({ ...length, unit: fc.integer({ min: 0, max: 127 }).map((code) => String.fromCharCode(code)) });

describe('SHA-256 of short texts', () => {
  it.each(Array.from({ length: 120 }, (_, length) => length))('is that of node:crypto, of %d characters', (length) => {
    fc.assert(
      fc.property(
        ascii({ minLength: length, maxLength: length }),
        ascii({ minLength: 0, maxLength: 9 }),
        (text, before) => {
          const found = shortSha256(before + text, before.length);
          expect(found).toHaveLength(16);
          expect(hexOf(found!)).toBe(hash('sha256', text, 'hex'));
        },
      ),
      { numRuns: 50 },
    );
  });

  it('leaves to others what is longer, or not all ASCII', () => {
    expect(shortSha256('a'.repeat(120))).toBeNull();
    expect(shortSha256('a'.repeat(126), 7)).toHaveLength(16);
    for (const character of ['\u0080', '\u00ff', '€', '\ud83d\ude00']) {
      for (const at of [0, 1, 2, 3, 63, 64, 100]) {
        expect(shortSha256('a'.repeat(at) + character)).toBeNull();
        expect(shortSha256(`${'a'.repeat(at)}${character}aaaaa`)).toBeNull();
      }
    }
  });
});
