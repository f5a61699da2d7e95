import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { issueTicket, readTicket } from 'lib/login-ticket.js';
import { SecretKeys } from 'lib/secret-keys.js';
import { hashToken, randomId } from 'lib/token-codec.js';
import { equalHashes } from 'lib/verification.js';
import { TokenMint } from '../support/mint.js';
import { accountRef, canonicalUserId, escapeUserId, unescapeUserId, userKey } from 'lib/user-key.js';
import { rounds } from '../support/size.js';

const K1 = 'first secret of the tests, long enough to be one';
const K2 = 'second secret of the tests, long enough to be one';

const codecWith = (secret: string | string[], realm = 'users', prefix = 'ses') =>
  new TokenMint(secret, realm, prefix).codec;

const MINTED = rounds('mintedTokens');

describe('tokens', () => {
  const mint = new TokenMint(K1);
  const { codec } = mint;

  it(`A1: ${MINTED} tokens have no duplicates, and every position of the secret uses the whole alphabet`, () => {
    const seen = new Set<string>();
    const alphabet: Set<string>[] = [];
    const id = randomId();
    for (let i = 0; i < MINTED; i++) {
      const { token } = mint.mint('at', id, 1);
      seen.add(token);
      if (i < 5000) [...token].forEach((character, at) => (alphabet[at] ??= new Set()).add(character));
    }
    expect(seen.size).toBe(MINTED);
    // Characters 27 to 68 of the body are wholly inside the secret; 7 characters of head stand before it.
    for (const characters of alphabet.slice(7 + 27, 7 + 69)) expect(characters.size).toBe(64);
  });

  it('A3: tokens of one user share nothing but what names the kind', () => {
    const [a, b] = [mint.mint('at', randomId(), 1).token, mint.mint('at', randomId(), 1).token];
    const shared = [...a].filter((character, at) => character === b[at]).length;
    expect(a.slice(0, 7)).toBe('ses_at_');
    // 7 of the head, about 5 of the generation, and by chance one in 64.
    expect(shared).toBeLessThan(7 + 6 + 12);
  });

  it('A4: have a form that scanners can find', () => {
    expect(mint.mint('at', randomId(), 1).token).toMatch(/^ses_at_[A-Za-z0-9_-]{96}$/);
  });

  it('carry session id and generation', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        fc.integer({ min: 1, max: 2 ** 32 - 1 }),
        (bytes, generation) => {
          const sessionId = Buffer.from(bytes).toString('hex');
          const { token, hash } = mint.mint('at', sessionId, generation);
          expect(codec.read('at', token)).toEqual({ sessionId, generation, hash });
          expect(codec.isAuthentic('at', token)).toBe(true);
        },
      ),
    );
  });

  it('A118: survive a rotation of the secret as long as it is listed', () => {
    const { token } = mint.mint('at', randomId(), 1);
    expect(codecWith([K2, K1]).isAuthentic('at', token)).toBe(true);
    expect(codecWith([K2]).isAuthentic('at', token)).toBe(false);
    const rotated = new TokenMint([K2, K1]).mint('at', randomId(), 1).token;
    expect(codecWith([K1, K2]).isAuthentic('at', rotated)).toBe(true);
    expect(codecWith([K1]).isAuthentic('at', rotated)).toBe(false);
  });

  it('A12, A14: are stored as SHA-256 and compared in constant time, whatever their lengths', () => {
    const { token, hash } = mint.mint('at', randomId(), 1);
    expect(hash).toBe(hashToken(token));
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(hash).not.toContain(token.slice(7, 30));
    expect(equalHashes(hash, hash)).toBe(true);
    expect(equalHashes(hash, hash.slice(1))).toBe(false);
    expect(equalHashes(hash, hashToken('another'))).toBe(false);
  });
});

describe('login tickets', () => {
  const keys = new SecretKeys(K1, 'users');
  const alice = accountRef('users', 'alice');

  it('name an epoch, for one account and one application', () => {
    const ticket = issueTicket(keys, alice, 12_345);
    expect(readTicket(keys, alice, ticket)).toBe(12_345);
    const refuse = (...[otherKeys, account, value]: Parameters<typeof readTicket>) =>
      expect(() => readTicket(otherKeys, account, value)).toThrow(
        expect.objectContaining({ code: 'ARGUMENT_INVALID' }),
      );
    refuse(keys, accountRef('users', 'bob'), ticket);
    refuse(keys, accountRef('admins', 'alice'), ticket);
    refuse(new SecretKeys(K2, 'users'), alice, ticket);
    for (const value of ['', 'x', `${ticket}A`, `B${ticket.slice(1)}`, 5, null, {}, [ticket]])
      refuse(keys, alice, value);
  });
});

describe('user ids', () => {
  const unit = fc.constantFrom(':', '{', '}', '*', '\r', '\n', '\0', '1', 'a', '\\', '"', '%', ' ', '😀', '\ud800');
  const anyId = fc.oneof(fc.string({ unit: 'binary', minLength: 1 }), fc.string({ unit, minLength: 1 }));
  const realm = fc.constantFrom('a', 'ab', 'b');

  it('A91: different (realm, user id) have different keys, and the same the same', () => {
    fc.assert(
      fc.property(anyId, anyId, realm, realm, (one, two, r1, r2) => {
        expect(userKey(r1, one) === userKey(r2, two)).toBe(r1 === r2 && one === two);
        expect(userKey(r1, one)).toMatch(/^[0-9a-f]{64}$/);
      }),
      { numRuns: rounds('properties') },
    );
    expect(userKey('a', '1:b')).not.toBe(userKey('a1', ':b'));
    expect(userKey('a', 'x'.repeat(10_240))).not.toBe(userKey('a', 'x'.repeat(10_241)));
    expect(userKey('a', '')).not.toBe(userKey('', 'a'));
  });

  it('A91: any id can be stored and read back; ordinary ones are stored as they are', () => {
    fc.assert(
      fc.property(anyId, (id) => {
        const stored = escapeUserId(id);
        expect(stored).not.toMatch(/[\0-\x1f]/);
        expect(unescapeUserId(stored)).toBe(id);
      }),
      { numRuns: rounds('properties') },
    );
    expect(escapeUserId('user-1@example.org')).toBe('user-1@example.org');
  });

  it('A99: numbers have one spelling', () => {
    for (const id of [1, 1n, 1.0, '1'] as const) expect(canonicalUserId(id)).toBe('1');
    expect(canonicalUserId('01')).toBe('01');
    expect(canonicalUserId(-5)).toBe('-5');
  });

  it('A100: nothing is normalized', () => {
    const [nfc, nfd] = ['\u00e9', 'e\u0301'];
    expect(accountRef('users', nfc).key).not.toBe(accountRef('users', nfd).key);
    expect(accountRef('users', 'Alice').key).not.toBe(accountRef('users', 'alice').key);
    expect(accountRef('users', 'a ').key).not.toBe(accountRef('users', 'a').key);
  });

  const numbers = [1.5, NaN, Infinity, 2 ** 53];
  const others = [undefined, null, {}, [], ['a'], true, Symbol('x'), () => 'a'];
  it.each([...numbers, ...others, '', 'x'.repeat(1025)])('A95, A96: %p is refused', (id) => {
    expect(() => canonicalUserId(id)).toThrow(expect.objectContaining({ code: 'ARGUMENT_INVALID' }));
  });
});
