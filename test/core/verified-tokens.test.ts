import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { SynchronizedClock } from 'lib/clock.js';
import { randomId } from 'lib/token-codec.js';
import { VerificationStats } from 'lib/verification-stats.js';
import { type VerifiedToken, VerifiedTokens } from 'lib/verified-tokens.js';
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

  it('are not kept as text', async () => {
    const script = fileURLToPath(new URL('what-is-kept.mjs', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', script]);
    expect(JSON.parse(stdout)).toEqual({ known: 20, noted: 0, kept: 20, of: 20 });
  });
});
