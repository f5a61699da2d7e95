import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { localStatus } from '../../lib/nest/session-status.js';
import { until } from '../support/until.js';
import { type FaultNode, Stage, keyOf, untilRemembered, untilWell, verdictOf } from './stage.js';
import { liveThrough } from './story.js';

interface Outage {
  readonly name: string;
  readonly begin: (stage: Stage, nodes: readonly FaultNode[]) => unknown;
  readonly end: (stage: Stage, nodes: readonly FaultNode[]) => unknown;
}

const onAll = (act: (proxy: FaultNode['redis']) => void) => (_stage: Stage, nodes: readonly FaultNode[]) =>
  nodes.forEach((node) => act(node.redis));

const OUTAGES: readonly Outage[] = [
  { name: 'F1, F2, F3: killed', begin: ({ server }) => server.kill(), end: (stage) => stage.restart() },
  {
    name: 'F4: slower than it may be',
    begin: onAll((proxy) => proxy.delay(700)),
    end: onAll((proxy) => proxy.delay(0)),
  },
  {
    name: 'F5: stopped, and going on with what it was sent',
    begin: ({ server }) => process.kill(server.pid, 'SIGSTOP'),
    end: ({ server }) => process.kill(server.pid, 'SIGCONT'),
  },
  { name: 'F6: behind a black hole', begin: onAll((proxy) => proxy.hold()), end: onAll((proxy) => proxy.release()) },
  {
    name: 'F7: doing what it is told, and not heard of',
    begin: onAll((proxy) => proxy.swallowReplies()),
    end: onAll((proxy) => proxy.cut()),
  },
];

describe('a Redis that is', () => {
  let stage: Stage;
  let nodes: FaultNode[];
  beforeAll(async () => {
    stage = await Stage.start();
    nodes = await stage.openAll(2);
  });
  afterAll(() => stage.close());

  it.each(OUTAGES)('$name: the database answers, ends are true at once, and then it is used again', async (outage) => {
    const witness = stage.witness(nodes);
    const before = await liveThrough(nodes, witness);
    for (const login of before) await untilRemembered(nodes, login);

    await outage.begin(stage, nodes);
    const during = await liveThrough(nodes, witness);
    await until(() => nodes.every(({ runtime }) => localStatus(runtime).redis === 'down'));
    await liveThrough(nodes, witness);

    await outage.end(stage, nodes);
    await untilWell(nodes);
    const after = await liveThrough(nodes, witness);
    for (const login of [...before, ...during, ...after]) await untilRemembered(nodes, login);
    // Not only by name: what one node has read, the other has from Redis.
    const [first, second] = nodes as [FaultNode, FaultNode];
    const fresh = await first.tokens.login(outage.name);
    expect(await verdictOf(first, fresh)).toBe('VALID');
    await until(async () => (await stage.redisCommand('EXISTS', keyOf(fresh))) === 1);
    const { stats } = second.runtime;
    const fromRedis = stats.of('shared', 'VALID');
    expect(await verdictOf(second, fresh)).toBe('VALID');
    expect(stats.of('shared', 'VALID')).toBe(fromRedis + 1);
    await witness.close();
  });
});
