import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { putIfNewer } from 'lib/put-if-newer.script.js';
import { adviceFor } from 'lib/redis-backend.js';
import { localStatus } from 'lib/session-status.js';
import { until } from '../support/until.js';
import { Monitor } from './monitor.js';
import { Stage, untilRemembered, untilShared, untilWell, whileRepeating } from './stage.js';
import { liveThrough } from './story.js';

/** The rule of docs/operations.md. */
const [DOCUMENTED] = /^ACL SETUSER .*$/m.exec(
  readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8'),
)!;
/** User ids that mean something to Redis, in a pattern or in a key. */
const HOSTILE_IDS = ['*', 'user:*', '{users}', '}{', '[a-z]?', 'a\r\nFLUSHALL\r\n', '../..', 'L:1:1:', '\u{1F511}'];

describe('what Redis is asked', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await Stage.start();
  });
  afterEach(() => stage.close());

  const monitor = async () => {
    const started = await Monitor.start(stage.redisPort);
    stage.atEnd(() => started.close());
    return started;
  };

  it('A120: all of it works for a user who may do what is documented, with keys and channels of the prefix only', async () => {
    await stage.redisCommand(...DOCUMENTED.split(' '));
    const source = `redis://sessions:PASSWORD@127.0.0.1:${stage.redisPort}`;
    const nodes = await stage.openAll(2, { source });
    const witness = stage.witness(nodes);
    for (const login of await liveThrough(nodes, witness)) await untilRemembered(nodes, login);
    await untilShared(nodes, 'strict');
    const denied = (await stage.redisCommand('ACL', 'LOG')) as unknown[][];
    const objects = denied.map((entry) => String(entry[entry.indexOf('object') + 1]));
    // The client of Redis 7.2 and later says what it is, and does not mind if it may not.
    expect(objects.filter((object) => object !== 'client|setinfo')).toEqual([]);

    // The rule is one: outside of its prefix nothing is allowed, and the database answers.
    const outside = [await stage.open({ source, prefix: 'other' }), await stage.open({ source, prefix: 'other' })];
    await liveThrough(outside, stage.witness(outside));
    expect(await stage.redisCommand('ACL', 'LOG')).not.toHaveLength(denied.length);
    expect(await stage.redisCommand('KEYS', 'other:*')).toEqual([]);
    await witness.close();
  });

  it('A11, A16, A92, A93: three commands and one script, on keys of our own making that all end, and no token', async () => {
    const all = await monitor();
    const nodes = await stage.openAll(2);
    const witness = stage.witness(nodes);
    const logins = [...(await liveThrough(nodes, witness))];
    await until(() => all.names.includes('evalsha'));
    const known = ['eval', 'evalsha', 'get', 'hello', 'info', 'publish', 'subscribe'];
    expect(all.names.filter((name) => name !== 'client')).toEqual(known);

    const steady = await monitor();
    for (const id of HOSTILE_IDS) {
      const login = await nodes[0]!.tokens.login(id);
      logins.push(login);
      for (const { tokens } of nodes) expect(await tokens.verify(login.accessToken)).toMatchObject({ status: 'VALID' });
    }
    await liveThrough(nodes, witness);
    for (const id of HOSTILE_IDS) expect(await nodes[1]!.operators.kickUser(id, { by: 'root' })).toBe(1);
    await witness.close();
    expect(steady.names).toEqual(['evalsha', 'get', 'publish']);

    const sha = createHash('sha1').update(putIfNewer).digest('hex');
    expect([...new Set(all.of('evalsha').map(([id]) => id))]).toEqual([sha]);
    expect([...new Set(all.of('eval').map(([text]) => text))]).toEqual([putIfNewer]);
    const keys = [...all.of('get').map(([key]) => key!), ...all.of('evalsha').map(([, , key]) => key!)];
    expect(keys.filter((key) => !/^latchkey:users:session:[0-9a-f]{32}$/.test(key))).toEqual([]);
    const channels = all.of('publish').map(([channel]) => channel!);
    expect(channels.filter((name) => !/^latchkey:users:(notices|answers:[0-9a-f]{32})$/.test(name))).toEqual([]);
    const stored = (await stage.redisCommand('KEYS', '*')) as string[];
    const lives = await Promise.all(stored.map((key) => stage.redisCommand('PTTL', key)));
    expect(lives.length).toBeGreaterThan(0);
    expect(lives.filter((ms) => Number(ms) <= 0 || Number(ms) > 10 * 60_000)).toEqual([]);
    const told = JSON.stringify(all.log);
    const tokens = logins.flatMap(({ accessToken, refreshToken }) => [accessToken, refreshToken!]);
    expect(tokens.filter((token) => told.includes(token))).toEqual([]);
  });

  it('F27: scripts are forgotten all the time: the copies go on', async () => {
    const nodes = await stage.openAll(2);
    const witness = stage.witness(nodes);
    await whileRepeating(
      () => stage.redisCommand('SCRIPT', 'FLUSH'),
      async () => {
        for (const login of await liveThrough(nodes, witness)) await untilRemembered(nodes, login);
      },
    );
    await untilShared(nodes, 'scripts');
    await witness.close();
  });

  it('F27: a script of somebody else never ends: the database answers, until it is killed', async () => {
    const nodes = await stage.openAll(2);
    const witness = stage.witness(nodes);
    const before = await liveThrough(nodes, witness);
    await stage.redisCommand('CONFIG', 'SET', 'busy-reply-threshold', '500');
    const endless = stage.redisCommand('EVAL', 'while true do end', '0').catch((error: Error) => error.message);
    await liveThrough(nodes, witness);
    await until(async () =>
      stage.redisCommand('PING').then(
        () => false,
        (error: Error) => error.message.startsWith('BUSY'),
      ),
    );
    await liveThrough(nodes, witness);
    expect(nodes.map(({ runtime }) => localStatus(runtime).redis)).toEqual(['down', 'down']);
    await stage.redisCommand('SCRIPT', 'KILL');
    expect(await endless).toContain('killed');
    await untilWell(nodes);
    for (const login of before) await untilRemembered(nodes, login);
    await witness.close();
  });

  it('A117: says at boot what would be better, and starts all the same', async () => {
    const warn = jest.spyOn(Logger.prototype, 'warn');
    const warnings = () => warn.mock.calls.map(([message]) => String(message));
    try {
      await stage.openAll(1);
      expect(warnings()).toEqual([]);
      await stage.redisCommand('CONFIG', 'SET', 'maxmemory', '100mb');
      await stage.openAll(1);
      await until(() => warnings().some((message) => message.includes('allkeys-lru')));
      expect(warnings()).toHaveLength(1);
    } finally {
      warn.mockRestore();
    }
    expect(adviceFor('redis_version:6.2.14\r\nmaxmemory:0\r\n')).toEqual([expect.stringContaining('6.2.14')]);
    expect(adviceFor('redis_version:7.4.0\r\nmaxmemory:5\r\nmaxmemory_policy:allkeys-lru\r\n')).toEqual([]);
  });
});
