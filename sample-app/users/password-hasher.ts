import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { SAMPLE_CONFIG, type SampleConfig } from '../config/sample-config.js';

const KEY_BYTES = 32;
const SALT_BYTES = 16;
const BLOCK_SIZE = 8;

/** Hashes passwords with scrypt (RFC 7914). A hash says how it was made, so the cost may change from one to the next. */
@Injectable()
export class PasswordHasher {
  private readonly cost: number;
  private placeholder: Promise<string> | undefined;

  constructor(@Inject(SAMPLE_CONFIG) { scryptCost }: SampleConfig) {
    this.cost = scryptCost;
  }

  /** @returns `scrypt$COST$SALT$KEY` */
  async hash(password: string): Promise<string> {
    const salt = randomBytes(SALT_BYTES);
    const key = await derive(password, salt, this.cost);
    return ['scrypt', this.cost, salt.toString('base64url'), key.toString('base64url')].join('$');
  }

  async verify(password: string, hash: string): Promise<boolean> {
    const [, cost, salt, key] = hash.split('$');
    const expected = Buffer.from(key ?? '', 'base64url');
    const actual = await derive(password, Buffer.from(salt ?? '', 'base64url'), Number(cost));
    return expected.length === actual.length && timingSafeEqual(expected, actual);
  }

  /** Takes as long as verify, for a name that has no password: how long an answer takes must not tell who is a user. */
  async verifyNothing(password: string): Promise<false> {
    await this.verify(password, await (this.placeholder ??= this.hash(randomBytes(SALT_BYTES).toString('hex'))));
    return false;
  }
}

function derive(password: string, salt: Buffer, cost: number): Promise<Buffer> {
  const N = 2 ** cost;
  // Just what OpenSSL says that it needs.
  const maxmem = 128 * BLOCK_SIZE * (N + 3);
  return new Promise((resolve, reject) => {
    scrypt(password, salt, KEY_BYTES, { N, r: BLOCK_SIZE, p: 1, maxmem }, (error, key) =>
      error ? reject(error) : resolve(key),
    );
  });
}
