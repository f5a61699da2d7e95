import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { sessionMigrations } from 'nestjs-latchkey';

const FOLDER = new URL('../../lib/database/schema/migrations/', import.meta.url);

/**
 * From the first release on, a migration has run somewhere and is never changed again: change tables by another one, added at the
 * end.
 */
const RELEASED: readonly (readonly [file: string, sha256: string])[] = [
  ['create-tables.ts', 'f56be88fc7073ecdd25a8ecc52b064163b0767cf58093bad7839bf0feedb8907'],
];

it.each(RELEASED)('%s is as it was released', (file, sha256) => {
  expect(
    createHash('sha256')
      .update(readFileSync(new URL(file, FOLDER)))
      .digest('hex'),
  ).toBe(sha256);
});

it('migrations run in the order in which they are listed', () => {
  const times = sessionMigrations.map((Migration) => Number(/\d{13}$/.exec(new Migration().name)?.[0]));
  expect(times).toEqual([...times].sort((a, b) => a - b));
  expect(new Set(times).size).toBe(times.length);
  expect(times.every((time) => time > 0)).toBe(true);
});
