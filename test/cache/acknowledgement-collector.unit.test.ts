import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ChangeBus, parseMessage, writeAnswer } from 'lib/change-bus.js';
import { AcknowledgementCollector } from 'lib/acknowledgement-collector.js';
import { NodeWatch } from 'lib/node-watch.js';
import { MemoryMembership } from './memory-node-registry.js';
import { START, VirtualTime } from './virtual-time.js';

const SILENCE = 2000;
const CONFIRM = 4000;
/** When the rows of nodes that have not answered are looked at again. */
const LOOK = 100;
const NOTICE = { changes: [{ sessionId: 's', version: 2 }], keys: ['k'] };

describe('a change is confirmed', () => {
  let time: VirtualTime;
  let nodeRegistry: MemoryMembership;
  let bus: ChangeBus;
  let acknowledgement: AcknowledgementCollector;
  let watch: NodeWatch;
  let sent: string[];
  const collector = (through: ChangeBus | null) =>
    new AcknowledgementCollector({
      nodeRegistry,
      clock: time.clock,
      bus: through,
      watch,
      nodeId: 'me',
      acknowledgeMs: CONFIRM,
    });
  const outcome = (work: Promise<unknown>) => time.outcome(work);
  const answer = (from: string, numbers: readonly number[]) => bus.receiveAnswer(writeAnswer({ from, numbers }));

  beforeEach(() => {
    time = new VirtualTime();
    nodeRegistry = new MemoryMembership(() => time.clock.now(), SILENCE);
    sent = [];
    const messenger = {
      isConnected: true,
      send: async (text: string) => void sent.push(text),
      answer: async () => undefined,
    };
    bus = new ChangeBus({ nodeId: 'me', messenger, onNotice: () => undefined });
    watch = new NodeWatch(time.clock, SILENCE);
    acknowledgement = collector(bus);
    nodeRegistry.put({ id: 'me' });
  });
  afterEach(() => time.end());

  it('at once where nobody else is there, who may all the same be told', async () => {
    expect(await outcome(acknowledgement.acknowledged(NOTICE))).toBe('done');
    expect(parseMessage(sent[0]!)).toEqual({ from: 'me', number: 1, scopes: [], ...NOTICE });
  });

  it('when each of the others has answered this message', async () => {
    for (const id of ['a', 'b']) nodeRegistry.put({ id });
    const work = acknowledgement.acknowledged(NOTICE);
    expect(await outcome(work)).toBe('waiting');
    answer('a', [1]);
    answer('b', [2]);
    answer('stranger', [1]);
    expect(await outcome(work)).toBe('waiting');
    answer('b', [1]);
    expect(await outcome(work)).toBe('done');
    // Without looking at the rows again.
    expect(nodeRegistry.lists).toBe(1);
  });

  it('also by an answer that comes before the rows are there', async () => {
    nodeRegistry.put({ id: 'a' });
    let release!: () => void;
    nodeRegistry.before = () => new Promise((resolve) => (release = resolve));
    const work = acknowledgement.acknowledged(NOTICE);
    await time.settle();
    answer('a', [1]);
    release();
    expect(await outcome(work)).toBe('done');
  });

  it('when the row says that a poll is complete that began after the rows were read', async () => {
    nodeRegistry.put({ id: 'a', poll: 7, polled: 6 });
    const work = acknowledgement.acknowledged(NOTICE);
    expect(await outcome(work)).toBe('waiting');
    // The seventh may have read the log before the change was there.
    for (const polls of [
      { poll: 8, polled: 6 },
      { poll: 8, polled: 7 },
      { poll: 9, polled: 7 },
    ]) {
      nodeRegistry.put({ id: 'a', ...polls });
      await time.pass(LOOK);
      expect(await outcome(work)).toBe('waiting');
    }
    nodeRegistry.put({ id: 'a', poll: 9, polled: 8 });
    await time.pass(LOOK);
    expect(await outcome(work)).toBe('done');
  });

  it.each([
    ['has left', async () => nodeRegistry.leave('a')],
    ['says that it caches no more', async () => nodeRegistry.put({ id: 'a', caching: false })],
  ])('when a node %s', async (_what, leave) => {
    nodeRegistry.put({ id: 'a' });
    const work = acknowledgement.acknowledged(NOTICE);
    expect(await outcome(work)).toBe('waiting');
    await leave();
    await time.pass(LOOK);
    expect(await outcome(work)).toBe('done');
  });

  it('when the number of a node has stood still for long enough, and not before', async () => {
    nodeRegistry.put({ id: 'a', poll: 1 });
    watch.note((await nodeRegistry.list('me')).others);
    await time.pass(500);
    nodeRegistry.put({ id: 'a', poll: 2 });
    const work = acknowledgement.acknowledged(NOTICE);
    expect(await outcome(work)).toBe('waiting');
    await time.pass(SILENCE - 2 * LOOK);
    expect(await outcome(work)).toBe('waiting');
    await time.pass(2 * LOOK);
    expect(await outcome(work)).toBe('done');
  });

  it.each([-3_600_000, 3_600_000])(
    'no sooner and no later where the clock of the database was set by %d ms',
    async (step) => {
      nodeRegistry.put({ id: 'a', renewedAt: START - step });
      const work = acknowledgement.acknowledged(NOTICE);
      await time.pass(SILENCE - LOOK);
      expect(await outcome(work)).toBe('waiting');
      await time.pass(LOOK);
      expect(await outcome(work)).toBe('done');
    },
  );

  it('only after the silence time that the node itself names: it may be a longer one', async () => {
    nodeRegistry.put({ id: 'a', silenceMs: SILENCE + 1000 });
    const work = acknowledgement.acknowledged(NOTICE);
    await time.pass(SILENCE + 1000 - 2 * LOOK);
    expect(await outcome(work)).toBe('waiting');
    await time.pass(2 * LOOK);
    expect(await outcome(work)).toBe('done');
  });

  it('by a node as well that joined while others were waited for', async () => {
    nodeRegistry.put({ id: 'a' });
    const work = acknowledgement.acknowledged(NOTICE);
    await time.settle();
    answer('a', [1]);
    expect(await outcome(work)).toBe('done');
    const next = acknowledgement.acknowledged(NOTICE);
    await time.settle();
    // Its row was not there when the change was: it reads the log before it uses a copy.
    nodeRegistry.put({ id: 'b', poll: 1, polled: 0 });
    nodeRegistry.put({ id: 'a', poll: 3, polled: 2 });
    await time.pass(LOOK);
    expect(await outcome(next)).toBe('done');
  });

  it('not in time where nodes do not answer: pending until they would be silent', async () => {
    // Times of rows mean nothing: any of these clocks may be wrong.
    nodeRegistry.put({ id: 'a', silenceMs: CONFIRM + 3000, renewedAt: START + 3_600_000 });
    nodeRegistry.put({ id: 'b', silenceMs: CONFIRM + 2000, renewedAt: START - 3_600_000 });
    nodeRegistry.put({ id: 'c', silenceMs: 3_600_000 });
    const work = acknowledgement.acknowledged(NOTICE);
    await time.settle();
    answer('c', [1]);
    await time.pass(CONFIRM - LOOK);
    expect(await outcome(work)).toBe('waiting');
    await time.pass(LOOK);
    expect(await outcome(work)).toMatchObject({ code: 'CHANGE_PENDING', effectiveBy: START + CONFIRM + 3000 });
  });

  it('not where nobody can say who is there: pending until any node would be silent', async () => {
    nodeRegistry.before = () => Promise.reject(new Error('The database is gone.'));
    const work = acknowledgement.acknowledged(NOTICE);
    await time.pass(CONFIRM - LOOK);
    expect(await outcome(work)).toBe('waiting');
    await time.pass(LOOK);
    const effectiveBy = START + CONFIRM + SILENCE;
    expect(await outcome(work)).toMatchObject({ code: 'CHANGE_PENDING', effectiveBy, cause: { message: /gone/ } });
  });

  it('though the rows could not be read for a while', async () => {
    nodeRegistry.put({ id: 'a', caching: false });
    let failures = 0;
    nodeRegistry.before = () => (++failures <= 5 ? Promise.reject(new Error('The database is gone.')) : undefined);
    const work = acknowledgement.acknowledged(NOTICE);
    await time.pass(5 * LOOK);
    expect(await outcome(work)).toBe('done');
  });

  it('by rows that were read after it, which those that wait share', async () => {
    const waiting: (() => void)[] = [];
    nodeRegistry.before = () => new Promise((resolve) => waiting.push(resolve));
    const first = acknowledgement.acknowledged(NOTICE);
    await time.settle();
    const later = [acknowledgement.acknowledged(NOTICE), acknowledgement.acknowledged(NOTICE)];
    waiting[0]!();
    expect(await outcome(first)).toBe('done');
    // What the first one read was sent before these had begun.
    for (const work of later) expect(await outcome(work)).toBe('waiting');
    waiting[1]!();
    for (const work of later) expect(await outcome(work)).toBe('done');
    expect(nodeRegistry.lists).toBe(2);
  });

  it('without messages as well, by the rows', async () => {
    const silent = collector(null);
    nodeRegistry.put({ id: 'a', messaging: false });
    const work = silent.acknowledged(NOTICE);
    await time.pass(LOOK);
    expect(await outcome(work)).toBe('waiting');
    nodeRegistry.put({ id: 'a', caching: false });
    await time.pass(LOOK);
    expect([await outcome(work), sent]).toEqual(['done', []]);
  });
});
