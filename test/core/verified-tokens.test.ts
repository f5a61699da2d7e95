import { text as textOf } from 'node:stream/consumers';
import { setFlagsFromString, getHeapSnapshot } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { SynchronizedClock } from '../../lib/core/clock.js';
import { randomId } from '../../lib/core/token-codec.js';
import { VerificationStats } from '../../lib/core/verification-stats.js';
import { type VerifiedToken, VerifiedTokens } from '../../lib/core/verified-tokens.js';
import { recordOf } from '../cache/records.js';
import { TokenMint } from '../support/mint.js';

const BEARER = 'Bearer ';
const mint = new TokenMint('a secret of the tests, long enough to be one');
const newToken = () => mint.mint('at', randomId(), 7).token;
const answer = { status: 'VALID', session: {} } as unknown as VerifiedToken['answer'];

describe('what is known of tokens', () => {
  let store: Map<string, VerifiedToken>;
  let verified: VerifiedTokens;
  const note = (text: string) => verified.note(text, { record: recordOf(), remembered: null, answer, until: Infinity });

  beforeEach(() => {
    store = new Map();
    verified = new VerifiedTokens({
      store,
      cache: { counts: () => true },
      clock: new SynchronizedClock(),
      stats: new VerificationStats(),
      maxLength: 512,
      useIntervalMs: 1000,
    });
  });

  it('is found by the same text, wherever that stands', () => {
    const tokens = Array.from({ length: 50 }, newToken);
    tokens.forEach(note);
    const known = [...store.values()];
    expect(tokens.map((token) => verified.find(token))).toEqual(known);
    expect(tokens.map((token) => verified.find(BEARER + token, BEARER.length))).toEqual(known);
    expect(new Set(known).size).toBe(50);
  });

  it('A5: is not found by a text that differs in any character, is shorter or longer, or is a mixture of two', () => {
    const [token, other] = [newToken(), newToken()] as const;
    note(token);
    note(other);
    const differing = [...token].flatMap((character, at) =>
      [character === 'A' ? 'B' : 'A', 'é', '\u0000', ' '].map((it) => token.slice(0, at) + it + token.slice(at + 1)),
    );
    const mixed = [...token].flatMap((_, at) => [
      token.slice(0, at) + other.slice(at),
      other.slice(0, at) + token.slice(at),
    ]);
    const texts = [
      ...differing,
      ...mixed,
      token.slice(1),
      token.slice(0, -1),
      `${token}A`,
      `A${token}`,
      '',
      ` ${token}`,
    ];
    const wrong = texts.filter((text) => text !== token && text !== other);
    expect(wrong.length).toBeGreaterThan(500);
    for (const text of wrong) {
      expect(verified.find(text)).toBeNull();
      expect(verified.find(BEARER + text, BEARER.length)).toBeNull();
    }
    for (const text of [undefined, null, 5, {}, [token], 'x'.repeat(1000)]) expect(verified.find(text)).toBeNull();
  });

  it('keeps no secret in memory', async () => {
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    // As characters, so that what is looked for is not itself in memory as a text.
    const look = async (keep: (header: string) => unknown) => {
      const parts = Array.from({ length: 20 }, () => {
        const header = BEARER + newToken();
        keep(header);
        return [...header.slice(BEARER.length)];
      });
      gc();
      const snapshot = await textOf(getHeapSnapshot());
      return parts.filter((characters) => snapshot.includes(characters.join(''))).length;
    };
    const kept: string[] = [];
    expect(await look((header) => note(header.slice(BEARER.length)))).toBe(0);
    expect(await look((header) => kept.push(header))).toBe(20);
    expect([store.size, kept.length]).toEqual([20, 20]);
  }, 60_000);
});
