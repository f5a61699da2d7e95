import { describe, expect, it } from '@jest/globals';
import { dialectOf } from 'lib/dialect.js';
import { startMariadb } from '../../tools/servers/mariadb.mjs';
import { onServer } from '../support/migrated-database.js';
import { serverUrl } from '../support/servers.js';
import { sized } from '../support/size.js';

const MINUTE = 60_000;

/** Zones, of which the first moves its clocks by half an hour, with the moments at which summer time begins and ends there. */
const ZONES = [
  ['Australia/Lord_Howe', ['2026-04-04T15:00:00Z', '2026-10-03T15:30:00Z']],
  ['Europe/Berlin', ['2026-03-29T01:00:00Z', '2026-10-25T01:00:00Z']],
  ['America/New_York', ['2026-03-08T07:00:00Z', '2026-11-01T06:00:00Z']],
] as const;

/** Every five minutes from two hours before each change to two hours after it, with a fraction of a second. */
const momentsAround = (changes: readonly string[]) =>
  changes.flatMap((change) =>
    Array.from({ length: 49 }, (_, step) => Date.parse(change) + (step - 24) * 5 * MINUTE + 123),
  );

type Query = (statement: string) => Promise<Record<string, string>[]>;

async function ask(query: Query, expression: string): Promise<number> {
  const [row] = await query(`SELECT ${expression} AS answer`);
  return Number(row!.answer);
}

describe.each(sized(ZONES))('a database server in %s, when summer time begins and ends', (zone, changes) => {
  const moments = momentsAround(changes);

  it('has a clock that never stands still, jumps or goes back: MariaDB', async () => {
    const { TZ } = process.env;
    process.env.TZ = zone;
    const server = await startMariadb().finally(() => {
      delete process.env.TZ;
      if (TZ !== undefined) process.env.TZ = TZ;
    });
    const [seen, offsets] = [[] as number[], new Set<number>()];
    await onServer('mariadb', server.url, async (query) => {
      for (const time of moments) {
        await query(`SET timestamp = ${(time / 1000).toFixed(3)}`);
        seen.push(await ask(query, dialectOf('mariadb').now.chunks[0]!));
        offsets.add(await ask(query, 'TIMESTAMPDIFF(MINUTE, UTC_TIMESTAMP(), NOW())'));
      }
    });
    await server.stop();
    expect(seen).toEqual(moments);
    // It was in that zone: it has been in summer and in winter.
    expect(offsets.size).toBe(2);
  });

  // Its clock cannot be set; what is made of a reading is the same.
  it('has a clock that never stands still, jumps or goes back: PostgreSQL', async () => {
    const seen: number[] = [];
    await onServer('postgres', await serverUrl('PostgreSQL'), async (query) => {
      await query(`SET TimeZone = '${zone}'`);
      for (const time of moments) {
        const reading = `TIMESTAMPTZ '${new Date(time).toISOString()}'`;
        seen.push(await ask(query, dialectOf('postgres').now.chunks[0]!.replace('clock_timestamp()', reading)));
      }
    });
    expect(seen).toEqual(moments);
  });
});
