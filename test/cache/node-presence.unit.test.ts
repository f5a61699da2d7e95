import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { PROTOCOL } from 'lib/node-presence.js';
import { PresenceHarness, type PresentNode, SILENCE } from './presence-harness.js';
import { START } from './virtual-time.js';

let harness: PresenceHarness;
const caches = (...nodes: readonly PresentNode[]) => nodes.map(({ presence }) => presence.mayCache);
const saysCaching = (...nodes: readonly PresentNode[]) => nodes.map(({ id }) => harness.nodeRegistry.row(id)?.caching);
const expectCaching = (expected: readonly boolean[], ...nodes: readonly PresentNode[]) =>
  expect([caches(...nodes), saysCaching(...nodes)]).toEqual([expected, expected]);

beforeEach(() => {
  harness = new PresenceHarness();
});
afterEach(() => harness.end());

describe('a node that joins', () => {
  it('says that it caches, reads the whole log and then does', async () => {
    const node = harness.node();
    const { presence } = node;
    expect(caches(node)).toEqual([false]);
    harness.nodeRegistry.commit('recent', 2);
    harness.nodeRegistry.before = (step) => {
      if (step !== 'write') expect([saysCaching(node), caches(node)]).toEqual([[true], [false]]);
    };
    await harness.poll(node);
    expect(caches(node)).toEqual([true]);
    expect(node.changes).toEqual([{ sessionId: 'recent', version: 2 }]);
    expect([presence.isAlone, presence.silentNodes]).toEqual([false, 0]);
  });

  it('has not heard of those that may go by copies until they have polled, or are silent', async () => {
    const alive = await harness.joined();
    harness.nodeRegistry.put({ id: 'dead' });
    harness.nodeRegistry.put({ id: 'uses no copies', caching: false });
    const node = await harness.joined();
    const unheard = () => node.presence.unheardNodes.map(({ id }) => id);
    expect(unheard()).toEqual([alive.id, 'dead']);
    await harness.poll(alive, node);
    expect(unheard()).toEqual(['dead']);
    await harness.pass(SILENCE, alive, node);
    expect(unheard()).toEqual([]);
  });

  it('does not before a poll is complete', async () => {
    const node = harness.node();
    harness.nodeRegistry.before = (step) => {
      if (step === 'changes') throw new Error('The database is gone.');
    };
    await expect(node.presence.poll()).rejects.toThrow('gone');
    expect(caches(node)).toEqual([false]);
    expect(harness.nodeRegistry.row(node.id)).toMatchObject({ caching: true, poll: 1, polled: 0 });
  });

  it('says that it does not once it has not read the changes for its silence time, and does so again when it has', async () => {
    const node = await harness.joined();
    harness.nodeRegistry.before = (step) =>
      step === 'changes' ? Promise.reject(new Error('No right to read it.')) : undefined;
    const fail = async () => {
      await harness.time.pass(500);
      await node.presence.poll().catch(() => undefined);
      await harness.time.settle();
      return saysCaching(node)[0];
    };
    for (let passed = 500; passed < SILENCE; passed += 500) expect(await fail()).toBe(true);
    // Its row goes on moving, but nobody has to wait for it any more: not a single poll says otherwise.
    for (let polls = 0; polls < 50; polls++) expect(await fail()).toBe(false);
    expect(harness.nodeRegistry.row(node.id)!.poll).toBeGreaterThan(60);
    harness.nodeRegistry.before = () => undefined;
    await harness.poll(node);
    expectCaching([true], node);
  });

  it('never caches where there is nothing to cache in', async () => {
    const node = await harness.joined({ canCache: false });
    await harness.pass(2000, node);
    expectCaching([false], node);
  });

  it('says which poll it has completed, once it has', async () => {
    const node = await harness.joined();
    const { nodeRegistry } = harness;
    expect(nodeRegistry.row(node.id)).toMatchObject({ renewedAt: START, poll: 1, polled: 0 });
    await harness.pass(500, node);
    expect(nodeRegistry.row(node.id)).toMatchObject({ renewedAt: START + 500, poll: 2, polled: 1 });
    nodeRegistry.before = (step) => (step === 'changes' ? Promise.reject(new Error('slow')) : undefined);
    await node.presence.poll().catch(() => undefined);
    expect(nodeRegistry.row(node.id)).toMatchObject({ poll: 3, polled: 2 });
    nodeRegistry.before = () => undefined;
    await harness.poll(node);
    // The third one wrote its row and did not get the changes.
    expect(nodeRegistry.row(node.id)).toMatchObject({ poll: 4, polled: 2 });
  });
});

describe('nodes without messages', () => {
  const plain = { messaging: false };

  it('cache only while there is one', async () => {
    const first = await harness.joined(plain);
    expectCaching([true], first);
    expect(first.presence.isAlone).toBe(true);
    const second = await harness.joined(plain);
    await harness.poll(second);
    // The first has not looked since; the other ends nothing without it, and does not begin.
    expectCaching([true, false], first, second);
    expect(second.presence.isAlone).toBe(false);
    await harness.poll(first);
    expectCaching([false, false], first, second);
    expect(first.inactive).toBeGreaterThan(0);
    await harness.poll(second);
    expect(second.presence.isAlone).toBe(true);
    await first.presence.stop();
    await harness.poll(second);
    expect(caches(second)).toEqual([true]);
  });

  it('never cache two at a time, in whatever order their steps come', async () => {
    const actions = fc.array(
      fc.record({ place: fc.nat(2), action: fc.constantFrom('poll', 'poll', 'leave'), turns: fc.nat(12) }),
      { minLength: 5, maxLength: 40 },
    );
    let [most, waits] = [0, 0];
    await fc.assert(
      fc.asyncProperty(actions, fc.infiniteStream(fc.nat(6)), async (all, turns) => {
        const nodes = [harness.node(plain), harness.node(plain), harness.node(plain)];
        const count = () => caches(...nodes).filter(Boolean).length;
        harness.nodeRegistry.before = async () => {
          for (let wait = turns.next().value!; wait > 0; wait--) await Promise.resolve(waits++);
          most = Math.max(most, count());
        };
        const work: Promise<unknown>[] = [];
        for (const { place, action, turns: pause } of all) {
          const { presence } = nodes[place]!;
          work.push(action === 'poll' ? presence.poll() : presence.stop());
          if (action === 'leave') nodes[place] = harness.node(plain);
          for (let wait = pause; wait > 0; wait--) await Promise.resolve(waits++);
          most = Math.max(most, count());
        }
        await Promise.all(work);
        await harness.time.settle();
        most = Math.max(most, count());
        await Promise.all(nodes.map(({ presence }) => presence.stop()));
        expect(most).toBeLessThanOrEqual(1);
      }),
    );
    expect(most).toBe(1);
  });

  it('are not alone where one was put out of the list, and another has begun meanwhile', async () => {
    const node = await harness.joined(plain);
    await harness.nodeRegistry.leave(node.id);
    harness.nodeRegistry.put({ id: 'other', messaging: false });
    await node.presence.poll();
    expect(node.presence.isAlone).toBe(false);
  });

  it('are alone with one that is silent, and have it look again when it is back', async () => {
    const [gone, other] = [await harness.joined(plain), await harness.joined(plain)];
    await harness.poll(gone, other);
    await harness.pass(SILENCE, other);
    expect(caches(other)).toEqual([true]);
    expect(other.presence.silentNodes).toBe(0);
    expect(other.presence.isAlone).toBe(true);
    // As isAlone judges where a machine was suspended: its own clock says that no time has passed.
    jest.setSystemTime(Date.now() + 60_000);
    expect(other.presence.isAlone).toBe(false);
    jest.setSystemTime(Date.now() - 60_000);
    expect(harness.nodeRegistry.row(gone.id)).toBeUndefined();
    // What it knew of the others is void until it has looked.
    expect(gone.presence.isAlone).toBe(false);
    await gone.presence.poll();
    expect([gone.presence.isAlone, caches(gone)]).toEqual([false, [false]]);
  });
});

describe('a mixed deployment', () => {
  it('caches nowhere as long as somebody cannot be told', async () => {
    const [first, second] = [await harness.joined(), await harness.joined()];
    await harness.poll(first, second);
    expect(caches(first, second)).toEqual([true, true]);
    const plain = await harness.joined({ messaging: false });
    await harness.poll(first, second, plain);
    expectCaching([false, false, false], first, second, plain);
    const late = await harness.joined();
    expect(caches(late)).toEqual([false]);
    await plain.presence.stop();
    await harness.poll(first, second, late);
    expect(caches(first, second, late)).toEqual([true, true, true]);
  });
});

describe('a rolling deploy', () => {
  it('caches nowhere as long as nodes keep other rules', async () => {
    const [first, second] = [await harness.joined(), await harness.joined()];
    await harness.poll(first, second);
    harness.nodeRegistry.put({ id: 'old', protocol: PROTOCOL - 1 });
    await harness.poll(first, second);
    expectCaching([false, false], first, second);
    await harness.nodeRegistry.leave('old');
    await harness.poll(first, second);
    expectCaching([true, true], first, second);
  });
});

describe('a link for messages that is down', () => {
  let node: PresentNode;
  beforeEach(async () => {
    node = await harness.joined();
    harness.nodeRegistry.put({ id: 'other' });
    await harness.poll(node);
    expect(caches(node)).toEqual([true]);
  });

  it('ends caching at once, and the row says so before anybody asks', async () => {
    node.connected = false;
    node.presence.connectionChanged();
    expect([caches(node), node.inactive]).toEqual([[false], 1]);
    await harness.time.settle();
    expect(saysCaching(node)).toEqual([false]);
    await harness.pass(5000, node);
    expect(caches(node)).toEqual([false]);
    await node.setConnected(true);
    expectCaching([true], node);
  });

  it('means another poll when it is back, though it was down for a moment', async () => {
    harness.nodeRegistry.asked.length = 0;
    node.connected = false;
    node.presence.connectionChanged();
    node.connected = true;
    node.presence.connectionChanged();
    expect(caches(node)).toEqual([false]);
    await harness.time.settle();
    expect(harness.nodeRegistry.asked.length).toBeGreaterThan(0);
    expect(caches(node)).toEqual([true]);
  });

  it('is no gap in what is known of changes', async () => {
    await node.setConnected(false);
    for (const version of [2, 3]) {
      harness.nodeRegistry.commit('changed meanwhile', version);
      await harness.pass(500, node);
    }
    await node.setConnected(true);
    expect(node.changes.map(({ version }) => version)).toEqual([2, 3]);
    expect(caches(node)).toEqual([true]);
  });

  it('during a poll is not forgotten when the poll is complete', async () => {
    let once = true;
    harness.nodeRegistry.before = (step) => {
      if (step !== 'changes' || !once) return;
      once = false;
      node.connected = false;
      node.presence.connectionChanged();
      node.connected = true;
      node.presence.connectionChanged();
    };
    await node.presence.poll();
    // It began before the link was lost.
    expect(caches(node)).toEqual([false]);
    await harness.time.settle();
    expect(caches(node)).toEqual([true]);
  });

  it('matters to nobody who is alone', async () => {
    await harness.nodeRegistry.leave('other');
    await harness.poll(node);
    await node.setConnected(false);
    expect(caches(node)).toEqual([true]);
    harness.nodeRegistry.put({ id: 'newcomer' });
    await harness.poll(node);
    expectCaching([false], node);
  });
});

describe('a node that leaves', () => {
  it('caches no more and takes its row with it, whatever is under way', async () => {
    const node = await harness.joined();
    let release!: () => void;
    harness.nodeRegistry.before = () => new Promise<void>((resolve) => (release = resolve));
    const polling = node.presence.poll();
    const stopped = node.presence.stop();
    expect(caches(node)).toEqual([false]);
    harness.nodeRegistry.before = () => undefined;
    release();
    await Promise.all([polling, stopped]);
    await node.presence.poll();
    node.presence.connectionChanged();
    await harness.time.settle();
    expect([caches(node), harness.nodeRegistry.row(node.id)]).toEqual([[false], undefined]);
  });
});
