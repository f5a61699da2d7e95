import type { Socket } from 'node:net';
import { describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { type LoginResult, multiDevice } from 'nestjs-latchkey';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';
import {
  type FaultNode,
  isWell,
  keyOf,
  untilRemembered,
  untilWell,
  verdictOf,
  verdictsOf,
  whileRepeating,
  KICK,
  useStage,
} from './stage.js';
import { liveThrough, openAlive } from './story.js';

/** Every verification asks Redis. */
const FAR = { policy: multiDevice(), nearCache: false } as const;

describe('what is found in Redis', () => {
  const stage = useStage();

  const stored = async (login: LoginResult) => String(await stage.redisCommand('GET', keyOf(login)));
  const loginOn = async (node: FaultNode, name: string) => {
    const login = await node.tokens.login(name);
    expect(await verdictOf(node, login)).toBe('VALID');
    await until(async () => (await stage.redisCommand('EXISTS', keyOf(login))) === 1);
    return login;
  };
  const expectOwn = async (node: FaultNode, login: LoginResult) =>
    expect(await node.tokens.verify(login.accessToken)).toMatchObject({
      status: 'VALID',
      session: { id: login.session.id, userId: login.session.userId },
    });

  it("F33, A13: the record of another session under a session's key: nobody is taken for somebody else", async () => {
    const warn = jest.spyOn(Logger.prototype, 'warn');
    const [node] = (await stage.openAll(1, FAR)) as [FaultNode];
    const [alice, bob, carol] = [
      await loginOn(node, 'alice'),
      await loginOn(node, 'bob'),
      await loginOn(node, 'carol'),
    ];
    await node.operators.kickUser('carol', KICK);
    await until(async () => (await stored(carol)).startsWith('T'));
    for (const other of [bob, carol]) {
      const connections = node.redis.accepted;
      await stage.redisCommand('SET', keyOf(alice), await stored(other));
      await expectOwn(node, alice);
      // A connection that answers another question is used no more.
      await until(() => node.redis.accepted > connections);
      await untilWell([node]);
      await expectOwn(node, bob);
    }
    expect(warn.mock.calls.filter(([text]) => String(text).includes('another command'))).toHaveLength(2);
    warn.mockRestore();
  });

  it('F33, A13: a connection that hands out each reply to the next question: no wrong answer, and it is dropped', async () => {
    // Once there is a false reply, the next MGET of anybody is answered with it, and the true reply follows.
    let falseReply: string | null = null;
    const request = (chunk: Buffer, client: Socket) => {
      if (falseReply !== null && /\$4\r\nmget\r\n/i.test(chunk.toString('latin1'))) {
        client.write(falseReply);
        falseReply = null;
      }
      return chunk;
    };
    const proxy = await TcpProxy.start(stage.redisPort, () => ({ request }));
    stage.atEnd(() => proxy.close());
    const [node] = (await stage.openAll(1, { ...FAR, source: `redis://127.0.0.1:${proxy.port}` })) as [FaultNode];
    const witness = stage.witness([node]);
    const logins = [];
    for (const name of ['alice', 'bob', 'carol', 'dave']) logins.push(await loginOn(node, name));
    witness.watch(...logins);
    // The reply to another MGET, to one of no keys, to PUBLISH, and to GET.
    const forms = [(text: string) => `*1\r\n${text}`, () => '*0\r\n', () => ':1\r\n', (text: string) => text];
    for (const [index, login] of logins.entries()) {
      await untilWell([node]);
      const connections = proxy.accepted;
      const value = await stored(login);
      falseReply = forms[index]!(`$${Buffer.byteLength(value)}\r\n${value}\r\n`);
      const others = logins.filter((one) => one !== login);
      await until(() => falseReply === null);
      await until(async () => {
        await Promise.all(others.map((one) => expectOwn(node, one)));
        return proxy.accepted > connections;
      });
    }
    await witness.close();
  });

  it('F35, A15: a value that this version did not write is as good as none, whatever it is', async () => {
    const [node] = (await stage.openAll(1, FAR)) as [FaultNode];
    const login = await loginOn(node, 'alice');
    const good = await stored(login);
    const head = /^L:\d+:\d+:/.exec(good)![0];
    // Of each kind one; all of them are in the tests of what is stored.
    const values = ['', good.slice(0, 40), good.replace('alice', 'Alice'), `T:9:0:${good.slice(head.length)}`];
    const { stats } = node.runtime;
    for (const value of values) {
      const fromDatabase = stats.of('database', 'VALID');
      await stage.redisCommand('SET', keyOf(login), value);
      await expectOwn(node, login);
      expect([value, stats.of('database', 'VALID')]).toEqual([value, fromDatabase + 1]);
    }
    await stage.redisCommand('DEL', keyOf(login));
    await stage.redisCommand('LPUSH', keyOf(login), 'not even a text');
    await expectOwn(node, login);
    // What is read from the database takes the place of all but what looks like a tombstone.
    await stage.redisCommand('SET', keyOf(login), values[0]!);
    await until(async () => {
      await expectOwn(node, login);
      return (await stored(login)).startsWith(head.slice(0, 4));
    });
  });

  it('F35: messages that this version does not write, and answers of nobody, change nothing', async () => {
    const {
      nodes,
      witness,
      logins: [login],
    } = await openAlive(stage);
    const channels = (await stage.redisCommand('PUBSUB', 'CHANNELS', '*')) as string[];
    expect(channels).toHaveLength(3);
    const texts = ['{', 'x'.repeat(1e5), `[1,"node",7,[["${'0'.repeat(32)}",3]],["key"]]`, '[1,"node",[1,2,3]]'];
    texts.push(JSON.stringify([2, 'node', 1, [[login!.session.id, 999]], []]));
    let turn = 0;
    await whileRepeating(
      () => stage.redisCommand('PUBLISH', channels[turn % 3]!, texts[turn++ % texts.length]!),
      () => liveThrough(nodes, witness),
    );
    expect(turn).toBeGreaterThan(texts.length * 3);
    expect(nodes.every(isWell)).toBe(true);
    // Whatever the next version means by it, this one goes on with its copy.
    await untilRemembered(nodes, login!);
    await witness.close();
  });

  it('F35: a node of another version that does not know our messages: an end waits until it has polled', async () => {
    const [node] = (await stage.openAll(1, { policy: multiDevice() })) as [FaultNode];
    const inspector = await stage.database.connect();
    const now = `FLOOR(EXTRACT(EPOCH FROM clock_timestamp()) * 1000)`;
    const id = 'f'.repeat(32);
    await inspector.query(
      `INSERT INTO latchkey_node (id, realm, protocol, caching, messaging, silence_ms, window_ms, poll, polled, renewed_at)
        VALUES ('${id}', 'users', 1, 1, 1, 60000, 60000, 1, 0, ${now})`,
    );
    const poll = () =>
      inspector.query(
        `UPDATE latchkey_node SET polled = poll, poll = poll + 1, renewed_at = ${now} WHERE id = '${id}'`,
      );
    const login = await node.tokens.login('alice');
    let isAcknowledged = false;
    const end = node.operators.kickUser('alice', KICK).then(() => (isAcknowledged = true));
    await until(async () => (await verdictOf(node, login)) === 'SESSION_KICKED');
    // It reads the rows of the others again and again, and is content with none of them.
    const { coherence } = node.runtime;
    await coherence.poll();
    await coherence.poll();
    expect(isAcknowledged).toBe(false);
    // The poll that this one says is complete may have begun before the end.
    await poll();
    await coherence.poll();
    await coherence.poll();
    expect(isAcknowledged).toBe(false);
    await poll();
    await end;
    expect(await verdictsOf([node], login)).toEqual(['SESSION_KICKED']);
  });
});
