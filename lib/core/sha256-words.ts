import { hash } from 'node:crypto';

/** Characters of the longest text that is hashed here: what two blocks hold beside the padding. */
const MAX_LENGTH = 119;
const BLOCK_WORDS = 16;

/** The first 32 bits of the fractional parts of the roots of the first primes (FIPS 180-4, 4.2.2 and 5.3.3). */
function rootsOfPrimes(count: number, root: (prime: number) => number): Int32Array {
  const primes: number[] = [];
  for (let number = 2; primes.length < count; number++) {
    if (primes.every((prime) => number % prime !== 0)) primes.push(number);
  }
  return Int32Array.from(primes, (prime) => (root(prime) % 1) * 2 ** 32);
}

const INITIAL = rootsOfPrimes(8, Math.sqrt);
const ROUNDS = rootsOfPrimes(64, Math.cbrt);

const message = new Int32Array(2 * BLOCK_WORDS);
const schedule = new Int32Array(64);
const state = new Int32Array(8);

/**
 * SHA-256 (FIPS 180-4) as its eight words, in an array that the next call writes to. Of a short text it is made in JavaScript. In a
 * loop node:crypto is faster. In a request it is not: there the call out of JavaScript costs several times what the hash does, and
 * was nearly half of what a guard cost when it was measured.
 *
 * @param from where what is hashed begins in the text
 * @param to where it ends
 */
export function sha256Words(text: string, from: number, to: number): Readonly<Int32Array> {
  const length = to - from;
  if (length > MAX_LENGTH || !pad(text, from, to)) return nativeWords(text.slice(from, to));
  for (let word = 0; word < 8; word++) state[word] = INITIAL[word]!;
  const last = lastBlock(length);
  for (let block = 0; block <= last; block += BLOCK_WORDS) compress(block);
  return state;
}

function nativeWords(text: string): Readonly<Int32Array> {
  const bytes = hash('sha256', text, 'buffer');
  for (let word = 0; word < 8; word++) state[word] = bytes.readInt32BE(4 * word);
  return state;
}

/** Where the last block begins, which has room for a bit and the length behind the text. */
function lastBlock(length: number): number {
  return length < 4 * BLOCK_WORDS - 8 ? 0 : BLOCK_WORDS;
}

/** Makes the message of the text. @returns whether that is all ASCII */
function pad(text: string, from: number, to: number): boolean {
  const length = to - from;
  let all = 0;
  let at = from;
  let word = 0;
  for (const whole = length >> 2; word < whole; word++, at += 4) {
    const a = text.charCodeAt(at);
    const b = text.charCodeAt(at + 1);
    const c = text.charCodeAt(at + 2);
    const d = text.charCodeAt(at + 3);
    all |= a | b | c | d;
    message[word] = (a << 24) | (b << 16) | (c << 8) | d;
  }
  let rest = 0;
  for (; at < to; at++) {
    const code = text.charCodeAt(at);
    all |= code;
    rest = (rest << 8) | code;
  }
  message[word++] = ((rest << 8) | 0x80) << (8 * (3 - (length & 3)));
  // Not fill(), which leaves JavaScript as well.
  const end = lastBlock(length) + BLOCK_WORDS - 1;
  while (word < end) message[word++] = 0;
  message[end] = 8 * length;
  return all < 0x80;
}

/** FIPS 180-4, 6.2.2. */
function compress(block: number): void {
  for (let t = 0; t < BLOCK_WORDS; t++) schedule[t] = message[block + t]!;
  for (let t = BLOCK_WORDS; t < 64; t++) {
    const w15 = schedule[t - 15]!;
    const w2 = schedule[t - 2]!;
    const sigma0 = ((w15 >>> 7) | (w15 << 25)) ^ ((w15 >>> 18) | (w15 << 14)) ^ (w15 >>> 3);
    const sigma1 = ((w2 >>> 17) | (w2 << 15)) ^ ((w2 >>> 19) | (w2 << 13)) ^ (w2 >>> 10);
    schedule[t] = (schedule[t - 16]! + sigma0 + schedule[t - 7]! + sigma1) | 0;
  }
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  let e = state[4]!;
  let f = state[5]!;
  let g = state[6]!;
  let h = state[7]!;
  for (let t = 0; t < 64; t++) {
    const sum1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + sum1 + ((e & f) ^ (~e & g)) + ROUNDS[t]! + schedule[t]!) | 0;
    const sum0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (sum0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0] = state[0]! + a;
  state[1] = state[1]! + b;
  state[2] = state[2]! + c;
  state[3] = state[3]! + d;
  state[4] = state[4]! + e;
  state[5] = state[5]! + f;
  state[6] = state[6]! + g;
  state[7] = state[7]! + h;
}
