import { describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { readFileSync } from 'node:fs';
import { localStatus } from 'lib/session-status.js';
import { until } from '../support/until.js';
import { untilRemembered, untilShared, untilWell, whileRepeating, useStage } from './stage.js';
import { liveThrough, openAlive } from './story.js';

/** The rule of docs/operations.md. */
const [DOCUMENTED] = /^ACL SETUSER .*$/m.exec(
  readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8'),
)!;

describe('what Redis is asked', () => {
  const stage = useStage();

  it('A120: all of it works for a user who may do what is documented, with keys and channels of the prefix only', async () => {
    await stage.redisCommand(...DOCUMENTED.split(' '));
    const source = `redis://sessions:PASSWORD@127.0.0.1:${stage.redisPort}`;
    const { nodes, witness } = await openAlive(stage, { source });
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
  });
});
