import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { SynchronizedClock } from 'lib/clock.js';
import { randomId } from 'lib/token-codec.js';
import { type GoodAnswer, KnownTokens } from 'lib/known-tokens.js';
import { recordOf } from '../cache/records.js';
import { TokenMint } from '../support/mint.js';

const mint = new TokenMint('a secret of the tests, long enough to be one');
const newToken = () => mint.mint('at', randomId(), 7).token;
const answer = { status: 'VALID', session: {} } as unknown as GoodAnswer;

describe('what is known of tokens', () => {
  let known: KnownTokens;
  const note = (text: string) => known.note(text, { record: recordOf(), remembered: null, answer, until: Infinity });

  beforeEach(() => {
    known = new KnownTokens({
      cache: { counts: () => true },
      clock: new SynchronizedClock(),
      maxEntries: 100,
      maxLength: 512,
      useIntervalMs: 1000,
    });
  });

  it('is found by the same text, wherever that stands', () => {
    const tokens = Array.from({ length: 50 }, newToken);
    tokens.forEach(note);
    const found = tokens.map((token) => known.find(token));
    expect(found).not.toContain(null);
    expect(new Set(found).size).toBe(50);
    // As a part of a header.
    expect(tokens.map((token) => known.find(`Bearer ${token}`.slice(7)))).toEqual(found);
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
    const lengths = [token.slice(1), token.slice(0, -1), `${token}A`, `A${token}`, '', ` ${token}`];
    const wrong = [...differing, ...mixed, ...lengths].filter((text) => text !== token && text !== other);
    expect(wrong.length).toBeGreaterThan(500);
    for (const text of [...wrong, undefined, null, 5, {}, [token], 'x'.repeat(1000)]) {
      expect(known.find(text)).toBeNull();
    }
  });

  it('is no verdict on a token that was only found to have been made here', () => {
    const token = newToken();
    known.note(token, null);
    const found = known.find(token)!;
    expect([found.answer, known.inMemory(found), known.inCommon(found, null)]).toEqual([null, null, null]);
  });

  it('are not kept as text', async () => {
    const script = fileURLToPath(new URL('what-is-kept.mjs', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', script]);
    expect(JSON.parse(stdout)).toEqual({ known: 20, noted: 0, kept: 20, of: 20 });
  });
});
