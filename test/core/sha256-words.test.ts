import { hash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { sha256Words } from '../../lib/core/sha256-words.js';

const hexOf = (words: Readonly<Int32Array>) =>
  Array.from(words, (word) => (word >>> 0).toString(16).padStart(8, '0')).join('');

const MOST_CHARACTERS = 130;
const ascii = fc.integer({ min: 0, max: 127 }).map((code) => String.fromCharCode(code));

describe('SHA-256 of a part of a text', () => {
  it.each([
    ['ASCII', ascii],
    ['any text', fc.oneof({ weight: 20, arbitrary: ascii }, fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }))],
  ])('is that of node:crypto, of %s of any length', (_name, unit) => {
    for (let length = 0; length <= MOST_CHARACTERS; length++) {
      const text = fc.string({ unit, minLength: length, maxLength: length });
      const around = fc.string({ unit: ascii, maxLength: 9 });
      fc.assert(
        fc.property(text, around, around, (part, before, after) => {
          const words = sha256Words(before + part + after, before.length, before.length + part.length);
          expect(hexOf(words)).toBe(hash('sha256', part, 'hex'));
        }),
        { numRuns: 30 },
      );
    }
  });

  it('is that of node:crypto for one character that is not ASCII, wherever it stands', () => {
    for (const character of ['\u007f', '\u0080', '\u00ff', '€', '\ud83d\ude00']) {
      for (let at = 0; at < 70; at++) {
        const text = `${'a'.repeat(at)}${character}${'b'.repeat(69 - at)}`;
        expect(hexOf(sha256Words(text, 0, text.length))).toBe(hash('sha256', text, 'hex'));
      }
    }
  });
});
