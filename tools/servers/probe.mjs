// Starts each server once and says where it came from:
// node tools/servers/probe.mjs [postgres] [mariadb] [redis] [chromium] [--from=debian]
import { startChromium } from './chromium.mjs';
import { startMariadb } from './mariadb.mjs';
import { startPostgres } from './postgres.mjs';
import { startRedis } from './redis.mjs';

const starters = { postgres: startPostgres, mariadb: startMariadb, redis: startRedis, chromium: startChromium };
const words = process.argv.slice(2);
const named = words.filter((word) => !word.startsWith('--'));
const from = words.find((word) => word.startsWith('--from='))?.slice('--from='.length);
const options = from === undefined ? {} : { from: /** @type {Array<'system' | 'npm' | 'debian'>} */ (from.split(',')) };

for (const [name, start] of Object.entries(starters).filter(([key]) => named.length === 0 || named.includes(key))) {
  const began = performance.now();
  try {
    const server = await start(options);
    const ready = performance.now();
    await server.stop();
    const times = `ready in ${Math.round(ready - began)} ms, stopped in ${Math.round(performance.now() - ready)} ms`;
    console.log(`${name} ${server.version} (${server.source}): ${times}`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
