import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ChangeBus } from 'lib/change-bus.js';
import { ChangeConfirmation } from 'lib/change-confirmation.js';
import { MemberWatch } from 'lib/member-watch.js';
import { parseMessage, writeAnswer } from 'lib/change-message.js';
import { MemoryMembership } from './memory-membership.js';
import { START, VirtualTime } from './virtual-time.js';

const SILENCE = 2000;
const CONFIRM = 4000;
/** When the rows of nodes that have not answered are looked at again. */
const LOOK = 100;
const NOTICE = { changes: [{ sessionId: 's', version: 2 }], keys: ['k'] };

describe('a change is confirmed', () => {
  let time: VirtualTime;
  let membership: MemoryMembership;
  let bus: ChangeBus;
  let confirmation: ChangeConfirmation;
  let watch: MemberWatch;
  let sent: string[];
  const outcome = (work: Promise<unknown>) => time.outcome(work);
  const answer = (from: string, numbers: readonly number[]) => bus.receiveAnswer(writeAnswer({ from, numbers }));

  beforeEach(() => {
    time = new VirtualTime();
    membership = new MemoryMembership(() => time.clock.now());
    sent = [];
    const messenger = {
      isConnected: true,
      send: async (text: string) => void sent.push(text),
      answer: async () => undefined,
    };
    bus = new ChangeBus('me', messenger, () => undefined);
    const settings = { nodeId: 'me', confirmMs: CONFIRM };
    watch = new MemberWatch(time.clock, SILENCE);
    confirmation = new ChangeConfirmation(membership, time.clock, bus, watch, settings);
    membership.put({ id: 'me' });
  });
  afterEach(() => time.end());

  it('at once where nobody else is there, who may all the same be told', async () => {
    expect(await outcome(confirmation.confirm(NOTICE))).toBe('done');
    expect(parseMessage(sent[0]!)).toEqual({ from: 'me', number: 1, ...NOTICE });
  });

  it('at once where nobody else caches', async () => {
    membership.put({ id: 'a', caching: false });
    expect(await outcome(confirmation.confirm(NOTICE))).toBe('done');
  });

  it('when each of the others has answered this message', async () => {
    for (const id of ['a', 'b']) membership.put({ id });
    const work = confirmation.confirm(NOTICE);
    expect(await outcome(work)).toBe('waiting');
    answer('a', [1]);
    answer('b', [2]);
    answer('stranger', [1]);
    expect(await outcome(work)).toBe('waiting');
    answer('b', [1]);
    expect(await outcome(work)).toBe('done');
    // Without looking at the rows again.
    expect(membership.lists).toBe(1);
  });

  it('also by an answer that comes before the rows are there', async () => {
    membership.put({ id: 'a' });
    let release!: () => void;
    membership.before = () => new Promise((resolve) => (release = resolve));
    const work = confirmation.confirm(NOTICE);
    await time.settle();
    answer('a', [1]);
    release();
    expect(await outcome(work)).toBe('done');
  });

  it('when the row says that a poll is complete that began after the rows were read', async () => {
    membership.put({ id: 'a', poll: 7, polled: 6 });
    const work = confirmation.confirm(NOTICE);
    expect(await outcome(work)).toBe('waiting');
    // The seventh may have read the log before the change was there.
    for (const polls of [
      { poll: 8, polled: 6 },
      { poll: 8, polled: 7 },
      { poll: 9, polled: 7 },
    ]) {
      membership.put({ id: 'a', ...polls });
      await time.pass(LOOK);
      expect(await outcome(work)).toBe('waiting');
    }
    membership.put({ id: 'a', poll: 9, polled: 8 });
    await time.pass(LOOK);
    expect(await outcome(work)).toBe('done');
  });

  it.each([
    ['has left', async () => membership.leave('a')],
    ['says that it caches no more', async () => membership.put({ id: 'a', caching: false })],
  ])('when a node %s', async (_what, leave) => {
    membership.put({ id: 'a' });
    const work = confirmation.confirm(NOTICE);
    expect(await outcome(work)).toBe('waiting');
    await leave();
    await time.pass(LOOK);
    expect(await outcome(work)).toBe('done');
  });

  it('when the number of a node has stood still for long enough, and not before', async () => {
    membership.put({ id: 'a', poll: 1 });
    watch.note((await membership.list('me')).others);
    await time.pass(500);
    membership.put({ id: 'a', poll: 2 });
    const work = confirmation.confirm(NOTICE);
    expect(await outcome(work)).toBe('waiting');
    await time.pass(SILENCE - 2 * LOOK);
    expect(await outcome(work)).toBe('waiting');
    await time.pass(2 * LOOK);
    expect(await outcome(work)).toBe('done');
  });

  it.each([-3_600_000, 3_600_000])(
    'no sooner and no later where the clock of the database was set by %d ms',
    async (step) => {
      membership.put({ id: 'a', renewedAt: START - step });
      const work = confirmation.confirm(NOTICE);
      await time.pass(SILENCE - LOOK);
      expect(await outcome(work)).toBe('waiting');
      await time.pass(LOOK);
      expect(await outcome(work)).toBe('done');
    },
  );

  it('only after the silence time that the node itself names: it may be a longer one', async () => {
    membership.put({ id: 'a', silenceMs: SILENCE + 1000 });
    const work = confirmation.confirm(NOTICE);
    await time.pass(SILENCE + 1000 - 2 * LOOK);
    expect(await outcome(work)).toBe('waiting');
    await time.pass(2 * LOOK);
    expect(await outcome(work)).toBe('done');
  });

  it('by a node as well that joined while others were waited for', async () => {
    membership.put({ id: 'a' });
    const work = confirmation.confirm(NOTICE);
    await time.settle();
    answer('a', [1]);
    expect(await outcome(work)).toBe('done');
    const next = confirmation.confirm(NOTICE);
    await time.settle();
    // Its row was not there when the change was: it reads the log before it uses a copy.
    membership.put({ id: 'b', poll: 1, polled: 0 });
    membership.put({ id: 'a', poll: 3, polled: 2 });
    await time.pass(LOOK);
    expect(await outcome(next)).toBe('done');
  });

  it('not in time where nodes do not answer: pending until they would be silent', async () => {
    // Times of rows mean nothing: any of these clocks may be wrong.
    membership.put({ id: 'a', silenceMs: CONFIRM + 3000, renewedAt: START + 3_600_000 });
    membership.put({ id: 'b', silenceMs: CONFIRM + 2000, renewedAt: START - 3_600_000 });
    membership.put({ id: 'c', silenceMs: 3_600_000 });
    const work = confirmation.confirm(NOTICE);
    await time.settle();
    answer('c', [1]);
    await time.pass(CONFIRM - LOOK);
    expect(await outcome(work)).toBe('waiting');
    await time.pass(LOOK);
    expect(await outcome(work)).toMatchObject({ code: 'END_PENDING', effectiveBy: START + CONFIRM + 3000 });
  });

  it('not where nobody can say who is there: pending until any node would be silent', async () => {
    membership.before = () => Promise.reject(new Error('The database is gone.'));
    const work = confirmation.confirm(NOTICE);
    await time.pass(CONFIRM - LOOK);
    expect(await outcome(work)).toBe('waiting');
    await time.pass(LOOK);
    const effectiveBy = START + CONFIRM + SILENCE;
    expect(await outcome(work)).toMatchObject({ code: 'END_PENDING', effectiveBy, cause: { message: /gone/ } });
  });

  it('though the rows could not be read for a while', async () => {
    membership.put({ id: 'a', caching: false });
    let failures = 0;
    membership.before = () => (++failures <= 5 ? Promise.reject(new Error('The database is gone.')) : undefined);
    const work = confirmation.confirm(NOTICE);
    await time.pass(5 * LOOK);
    expect(await outcome(work)).toBe('done');
  });

  it('by rows that were read after it, which those that wait share', async () => {
    const waiting: (() => void)[] = [];
    membership.before = () => new Promise((resolve) => waiting.push(resolve));
    const first = confirmation.confirm(NOTICE);
    await time.settle();
    const later = [confirmation.confirm(NOTICE), confirmation.confirm(NOTICE)];
    waiting[0]!();
    expect(await outcome(first)).toBe('done');
    // What the first one read was sent before these had begun.
    for (const work of later) expect(await outcome(work)).toBe('waiting');
    waiting[1]!();
    for (const work of later) expect(await outcome(work)).toBe('done');
    expect(membership.lists).toBe(2);
  });

  it('without messages as well, by the rows', async () => {
    const settings = { nodeId: 'me', confirmMs: CONFIRM };
    const silent = new ChangeConfirmation(membership, time.clock, null, watch, settings);
    membership.put({ id: 'a', messaging: false });
    const work = silent.confirm(NOTICE);
    await time.pass(LOOK);
    expect(await outcome(work)).toBe('waiting');
    membership.put({ id: 'a', caching: false });
    await time.pass(LOOK);
    expect([await outcome(work), sent]).toEqual(['done', []]);
  });
});
