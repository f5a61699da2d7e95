import { expect, it } from '@jest/globals';
import { multiDevice, SessionStatus } from 'nestjs-latchkey';
import { sessionMetrics } from 'nestjs-latchkey/metrics';
import { redis } from 'nestjs-latchkey/redis';
import { Registry } from 'prom-client';
import { redisKeys } from 'lib/redis-commands.js';
import { codeBlocks, readPage } from '../docs/examples.js';
import { sqliteOptions } from '../support/databases.js';
import { redisCommand, startRedis, startRedisCluster } from '../support/redis.js';
import { startSessions } from '../support/sessions.js';
import { until } from '../support/until.js';

const PAGE = 'docs/operations.md';

it('has every metric with its type and its labels, and no other', async () => {
  const registry = new Registry();
  const sessions = await startSessions({ database: sqliteOptions(':memory:') }, [sessionMetrics({ registry })]);
  const rows = registry.getMetricsAsArray().map((metric) => {
    const { name, type, labelNames } = metric as unknown as { name: string; type: string; labelNames: string[] };
    const labels = labelNames.filter((label) => label !== 'realm').map((label) => `\`${label}\``);
    return `| \`${name}\` | ${type} | ${labels.join(', ')} |`.replace('|  |', '| |');
  });
  await sessions.close();
  const documented = readPage(PAGE).match(/^\| `session_\w+` \| \w+ \|[^|]*\|/gm)!;
  expect([...documented].sort()).toEqual(rows.sort());
});

it('asks Prometheus for metrics that there are', () => {
  const page = readPage(PAGE);
  const asked = codeBlocks(PAGE, 'promql').flatMap(({ text }) => text.match(/session_\w+/g) ?? []);
  expect(asked.length).toBeGreaterThan(5);
  for (const name of asked) expect(page).toContain(`| \`${name.replace(/_(bucket|count|sum)$/, '')}\` |`);
});

it.each([
  ['one Redis', () => startRedis(), []],
  ['a Cluster', () => startRedisCluster({ masters: 3 }), ['+cluster|slots', '+cluster|info', '+client|setname']],
])('names a user of %s that may do what is needed', async (_name, start, more) => {
  const server = await start();
  const ports = 'ports' in server ? server.ports : [server.port];
  const [command] = codeBlocks(PAGE, 'acl');
  expect(readPage(PAGE)).toContain(more.join(' '));
  const words = command!.text.trim().split(' ');
  for (const port of ports) await redisCommand(port, ...words, ...more);
  const url = server.url.replace('//', '//sessions:PASSWORD@');
  const sessions = await startSessions({
    database: sqliteOptions(':memory:'),
    nearCache: false,
    policy: multiDevice(),
    // Longer than a busy machine takes: what is not written in time is not written at all.
    redis: redis(url, { timeout: '5s' }),
  });
  const status = sessions.context.get(SessionStatus, { strict: false });
  await until(async () => (await status.read()).redis === 'up');
  const { accessToken, session } = await sessions.tokens.login('alice');
  expect(await sessions.tokens.verify(accessToken)).toMatchObject({ status: 'VALID' });
  // A copy, and then a tombstone in its place.
  const held = async () => {
    const key = redisKeys('latchkey', 'users').session(session.id);
    const found = await Promise.all(ports.map((port) => redisCommand(port, 'GET', key).catch(() => null)));
    return String(found.find((value) => value !== null) ?? '');
  };
  await until(async () => (await held()).startsWith('L:'));
  await sessions.operators.kick(session.id, { by: 'root' });
  await until(async () => (await held()).startsWith('T:'));
  await sessions.close();
  const refused = (await Promise.all(ports.map((port) => redisCommand(port, 'ACL', 'LOG')))).flat();
  expect(JSON.stringify(refused)).not.toMatch(/"object","(?!client\|setinfo)/);
  await server.stop();
});
