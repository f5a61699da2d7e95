import { beforeAll, describe, it } from '@jest/globals';
import { localStatus } from 'lib/session-status.js';
import { sized } from '../support/size.js';
import { until } from '../support/until.js';
import { type FaultNode, Stage, untilRemembered, untilShared, untilWell, useStage } from './stage.js';
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

describe.each([
  { way: 'by connections of its own', outages: OUTAGES, optionsOf: () => ({}) },
  {
    // With all defaults of ioredis: it queues, repeats, and never gives up.
    way: 'by a client of the application',
    outages: sized(OUTAGES.filter(({ name }) => /F1|F6/.test(name))),
    optionsOf: (stage: Stage) => ({ source: (port: number) => stage.client(port) }),
  },
])('$way: a Redis that is', ({ outages, optionsOf }) => {
  const stage = useStage({ isShared: true });
  let nodes: FaultNode[];
  beforeAll(async () => {
    nodes = await stage.openAll(2, optionsOf(stage));
  });

  it.each(outages)('$name: the database answers, ends are true at once, and then it is used again', async (outage) => {
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
    await untilShared(nodes, outage.name);
    await witness.close();
  });
});
