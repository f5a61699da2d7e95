import { timingSafeEqual } from 'node:crypto';

/** Compares two hashes in constant time; false for different lengths. */
export function equalHashes(a: string, b: string): boolean {
  const [one, other] = [Buffer.from(a), Buffer.from(b)];
  return one.length === other.length && timingSafeEqual(one, other);
}
