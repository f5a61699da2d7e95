import assert from 'node:assert/strict';
import type { SharedBackend, SharedBackendFactory } from '../cluster/shared-cache.js';
import { randomId } from '../tokens/token-codec.js';
import { type ContractCase, casesOf, eventually } from './contract.js';

interface Node {
  readonly nodeId: string;
  readonly backend: SharedBackend;
  readonly messages: string[];
  readonly answers: string[];
  readonly connections: boolean[];
}

/** Text of every kind that has been lost on the way somewhere. */
const TEXTS = ['plain', '', '爱丽丝 📱 "\\ \u0000 \r\n', 'x'.repeat(100_000)];

/**
 * Contract of Messenger, by which nodes tell each other what to forget: of a backend given as the option `redis`.
 * ```ts
 * for (const { name, run } of messengerContract(() => natsBackend(url))) it(name, run);
 * ```
 * @param backend called for each node; all must reach each other
 */
export function messengerContract(backend: () => SharedBackendFactory): readonly ContractCase[] {
  /** Starts nodes of the realms, waits until messages reach them, and stops them at the end. */
  const withNodes = (realms: readonly string[], check: (...nodes: readonly Node[]) => Promise<void>) => async () => {
    const nodes = realms.map((realm) => start(backend(), realm));
    try {
      await eventually('all nodes are connected', () => nodes.every((node) => node.backend.messenger.isConnected));
      await check(...nodes);
    } finally {
      await Promise.all(nodes.map((node) => node.backend.stop()));
    }
  };
  const two = ['users', 'users'];
  return casesOf({
    'sends to all nodes of the realm, the sender included': withNodes(two, async (one, other) => {
      for (const text of TEXTS) await one.backend.messenger.send(text);
      const all = [one, other];
      await eventually('messages arrive', () => all.every(({ messages }) => messages.length === TEXTS.length));
      for (const { messages, answers } of all) assert.deepEqual([messages.sort(), answers], [[...TEXTS].sort(), []]);
    }),
    'answers one node': withNodes([...two, 'users'], async (one, other, third) => {
      await one.backend.messenger.answer(other.nodeId, 'to one');
      await other.backend.messenger.answer(one.nodeId, 'back');
      // Arrives after the answers, where one of them went astray.
      await other.backend.messenger.send('to all');
      await eventually('answers arrive', () => other.answers.length + one.answers.length === 2);
      await eventually('the message arrives', () => third.messages.length === 1);
      assert.deepEqual([one.answers, other.answers, third.answers], [['back'], ['to one'], []]);
    }),
    'keeps realms apart': withNodes(['users', 'admins'], async (user, admin) => {
      await user.backend.messenger.send('for users');
      await user.backend.messenger.answer(admin.nodeId, 'for no one');
      await admin.backend.messenger.send('for admins');
      await eventually('messages arrive', () => user.messages.length > 0 && admin.messages.length > 0);
      assert.deepEqual([user.messages, admin.messages, admin.answers], [['for users'], ['for admins'], []]);
    }),
    'tells when it is connected': withNodes(two, async (one) => {
      assert.deepEqual(one.connections, [true]);
      await one.backend.stop();
      assert.equal(one.backend.messenger.isConnected, false);
    }),
    'fails without an error once it has stopped, and hears no more': withNodes(two, async (one, other) => {
      await one.backend.stop();
      await one.backend.messenger.send('lost');
      await one.backend.messenger.answer(other.nodeId, 'lost');
      await other.backend.messenger.send('to those who are left');
      await eventually('the message arrives', () => other.messages.length > 0);
      assert.deepEqual([one.messages, other.messages, other.answers], [[], ['to those who are left'], []]);
    }),
  });
}

function start(factory: SharedBackendFactory, realm: string): Node {
  const nodeId = randomId();
  const backend = factory.create({
    realm,
    nodeId,
    copyAgeMs: 300_000,
    verifyBudgetMs: 10_000,
    tombstoneMs: 330_000,
    heartbeatMs: 1000,
    warn: () => undefined,
    now: () => Date.now(),
  });
  const node: Node = { nodeId, backend, messages: [], answers: [], connections: [] };
  backend.start({
    onMessage: (text) => void node.messages.push(text),
    onAnswer: (text) => void node.answers.push(text),
    onConnection: (isConnected) => void node.connections.push(isConnected),
  });
  return node;
}
