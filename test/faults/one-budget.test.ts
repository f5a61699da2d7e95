import { describe, expect, it } from '@jest/globals';
import { accessAndRefresh, singleDevice, sliding } from 'nestjs-latchkey';
import { timed, until } from '../support/until.js';
import { type FaultNode, SHORT_TIMING, untilWell, verdictOf, useStage } from './stage.js';

const VERIFY_BUDGET_MS = 1000;
/** Far less than a second budget would take. */
const SLACK_MS = 300;

describe('G10: one budget for all that a verification asks', () => {
  const stage = useStage({ isShared: true });

  const open = async (tokens = accessAndRefresh()) => {
    const options = { policy: singleDevice(), nearCache: false as const, timing: SHORT_TIMING, tokens };
    const [node] = await stage.openAll(1, { ...options, redisTimeout: '900ms' });
    return node as FaultNode;
  };
  const inTime = async <T>(work: Promise<T>): Promise<T> => {
    const { value, ms } = await timed(work);
    expect(ms).toBeLessThan(VERIFY_BUDGET_MS + SLACK_MS);
    return value;
  };

  it('Redis hangs for most of it, and the database for the rest', async () => {
    const node = await open();
    const login = await node.tokens.login('alice');
    expect(await verdictOf(node, login)).toBe('VALID');
    node.redis.hold();
    node.database.hold();
    expect(await inTime(verdictOf(node, login))).toBe('UNKNOWN');
    expect(await inTime(verdictOf(node, login))).toBe('UNKNOWN');
  });

  it('the database is slow: the device that took the place of another is left out, and not the reason', async () => {
    const node = await open();
    const [loser] = [await node.tokens.login('bob'), await node.tokens.login('bob', { deviceName: 'phone' })];
    expect(await node.tokens.verify(loser.accessToken)).toMatchObject({ replacedBy: { deviceName: 'phone' } });
    await stage.redisCommand('FLUSHALL');
    node.database.delay(350);
    const refusal = await inTime(node.tokens.verify(loser.accessToken));
    expect(refusal).toMatchObject({ status: 'INVALID', reason: 'SESSION_REPLACED' });
    expect(refusal).not.toHaveProperty('replacedBy');
    node.database.delay(0);
    await until(async () => 'replacedBy' in (await node.tokens.verify(loser.accessToken)));
  });

  it('Redis is slow for most of it, and the renewal of the token hangs for the rest', async () => {
    const node = await open(sliding({ ttl: '30s', renewWithin: '29s' }));
    const login = await node.tokens.login('carol');
    await untilWell([node]);
    // From Redis, and not yet due for renewal.
    expect(await verdictOf(node, login)).toBe('VALID');
    await until(() => node.tokens.now() > login.session.createdAt + 1000);
    node.redis.delay(435);
    node.database.hold();
    const result = await inTime(node.tokens.verify(login.accessToken));
    // By the clock of a busy machine Redis has used up its own time as well.
    expect(['VALID', 'UNKNOWN']).toContain(result.status);
    expect(result).not.toHaveProperty('renewed');
    node.redis.delay(0);
    node.database.release();
    await until(async () => 'renewed' in (await node.tokens.verify(login.accessToken)));
  });
});
