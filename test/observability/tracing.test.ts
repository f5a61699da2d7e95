import { afterAll, expect, it } from '@jest/globals';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { kindsOf } from '../support/databases.js';
import { onServer } from '../support/migrated-database.js';
import { startRedis } from '../support/redis.js';
import { SECRET } from '../support/sessions.js';
import { until } from '../support/until.js';

const POLLS = 20;

interface Span {
  readonly name: string;
  readonly isRoot: boolean;
}

const child = fork(fileURLToPath(new URL('../support/traced-node.mjs', import.meta.url)), { execArgv: [] });
afterAll(() => void child.kill());

async function ask<T>(name: string, argument?: object): Promise<T> {
  child.send({ name, argument });
  const [{ value }] = (await once(child, 'message')) as [{ value: T }];
  return value;
}

it('makes no trace of its background work, and leaves those of requests as they are', async () => {
  const [database, redis] = await Promise.all([kindsOf('postgres')[0]!.create(), startRedis()]);
  await ask('start', {
    secret: SECRET,
    database: database.options,
    redisUrl: `redis://127.0.0.1:${redis.port}`,
    timing: { poll: '50ms', activityFlush: '100ms' },
  });
  await onServer('postgres', database.url, (query) =>
    until(async () => Number((await query('SELECT MAX(polled) AS polls FROM latchkey_node'))[0]!.polls) >= POLLS),
  );
  expect(await ask('spans')).toEqual([]);
  const spans = await ask<Span[]>('request');
  expect(spans.filter(({ isRoot }) => isRoot)).toEqual([{ name: 'request', isRoot: true }]);
  expect(spans.filter(({ name }) => name.startsWith('pg.query')).length).toBeGreaterThan(0);
  await ask('close');
  expect(await ask('spans')).toEqual([]);
  await Promise.all([redis.stop(), database.drop()]);
});
