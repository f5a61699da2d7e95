import { describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { multiDevice } from 'nestjs-latchkey';
import { localStatus } from 'lib/session-status.js';
import { redisCommand } from '../support/redis.js';
import type { TcpProxy } from '../support/tcp-proxy.js';
import { timed, until } from '../support/until.js';
import { END_BUDGET_MS } from './budgets.js';
import {
  type FaultNode,
  Stage,
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
import { liveThrough } from './story.js';

describe('messages between nodes', () => {
  const stage = useStage();

  /** A node whose messages arrive by another way than the replies to its commands. */
  const openSplit = async (options: Parameters<Stage['open']>[0] = {}) => {
    const [commands, messages] = await Promise.all([stage.proxy(stage.redisPort), stage.proxy(stage.redisPort)]);
    const client = stage.client(commands.port);
    client.duplicate = (override) => new Redis({ ...client.options, ...override, port: messages.port });
    const node = await stage.open({ ...options, source: client });
    await untilWell([node]);
    return { ...node, commands, messages };
  };

  it('F23: connections for messages are killed again and again: what is good stays good, ends are true at once', async () => {
    const nodes = await stage.openAll(2);
    const witness = stage.witness(nodes);
    await liveThrough(nodes, witness);
    await whileRepeating(
      () => stage.redisCommand('CLIENT', 'KILL', 'TYPE', 'pubsub'),
      () => liveThrough(nodes, witness),
    );
    await untilWell(nodes);
    await witness.close();
  });

  it('F23, M26: a half-open connection: the others wait for a poll, and the node uses no copy once it notices', async () => {
    const [first] = (await stage.openAll(1)) as [FaultNode];
    const second = await openSplit();
    const nodes = [first, second];
    const witness = stage.witness(nodes);
    const [one, other] = await liveThrough(nodes, witness);
    for (const login of [one!, other!]) await untilRemembered(nodes, login);

    second.messages.hold();
    expect(isWell(second)).toBe(true);
    const kick = await timed(witness.ending([one!], () => first.operators.kick(one!.session.id, KICK)));
    expect(await verdictsOf(nodes, one!)).toEqual(['SESSION_KICKED', 'SESSION_KICKED']);
    expect(kick.ms).toBeLessThan(END_BUDGET_MS / 2);
    // Nor does it hold up its own.
    const own = await second.tokens.login('own');
    expect((await timed(second.tokens.logout(own.accessToken))).ms).toBeLessThan(END_BUDGET_MS / 2);
    expect(await verdictsOf(nodes, own)).toEqual(['SESSION_LOGGED_OUT', 'SESSION_LOGGED_OUT']);
    await until(() => localStatus(second.runtime).redis === 'down');
    expect(second.runtime.coherence.caching).toBe(false);
    // The database answers for it; the others need not wait for it any more.
    expect(await verdictOf(second, other!)).toBe('VALID');
    await witness.ending([other!], () => first.tokens.logout(other!.accessToken));
    expect(await verdictsOf(nodes, other!)).toEqual(['SESSION_LOGGED_OUT', 'SESSION_LOGGED_OUT']);
    second.messages.release();
    await untilWell(nodes);
    await liveThrough(nodes, witness);
    await witness.close();
  });

  it('G6: what takes the rights of an operator ends on another node at once what they opened as others', async () => {
    const nodes = await stage.openAll(2, { policy: multiDevice() });
    const [first, second] = nodes as [FaultNode, FaultNode];
    const takes: [reason: string, take: (operator: string) => Promise<unknown>][] = [
      ['SESSION_KICKED', (operator) => first.operators.ban(operator, { by: 'root' })],
      ['SESSION_KICKED', (operator) => first.operators.kickUser(operator, KICK)],
      ['SESSION_REVOKED', (operator) => first.tokens.revokeSessions(operator)],
    ];
    for (const [index, [reason, take]] of takes.entries()) {
      const opened = await second.operators.impersonate('alice', { by: `operator ${index}` });
      await untilRemembered(nodes, opened);
      await take(`operator ${index}`);
      expect(await verdictsOf(nodes, opened)).toEqual([reason, reason]);
      expect(await stage.redisCommand('GET', keyOf(opened))).toMatch(/^T/);
    }
  });

  it.each([
    ['the database', (node: Awaited<ReturnType<typeof openSplit>>): TcpProxy => node.database],
    ['Redis', (node: Awaited<ReturnType<typeof openSplit>>): TcpProxy => node.commands],
  ])('F24, M25: an end overtakes a reply of %s: what it says is used by nobody who asks later', async (_of, wayOf) => {
    const [first] = (await stage.openAll(1, { policy: multiDevice() })) as [FaultNode];
    const second = await openSplit({ policy: multiDevice(), redisTimeout: '900ms' });
    const way = wayOf(second);
    const login = await first.tokens.login('alice');
    if (way === second.commands) {
      expect(await verdictOf(first, login)).toBe('VALID');
      await until(async () => (await stage.redisCommand('EXISTS', keyOf(login))) === 1);
    }
    way.holdReplies();
    const asked = verdictOf(second, login);
    await until(() => way.waiting > 0);
    // It hears the message all the same, and confirms it.
    await first.operators.kick(login.session.id, KICK);
    expect(way.waiting).toBeGreaterThan(0);
    way.release();
    expect(await verdictsOf([first, second], login)).toEqual(['SESSION_KICKED', 'SESSION_KICKED']);
    // Asked before the end, it may have been told either; it must have left nothing behind.
    expect(['VALID', 'SESSION_KICKED']).toContain(await asked);
    expect(second.runtime.coherence.get(login.session.id)).toBeNull();
    expect(await verdictsOf([first, second], login)).toEqual(['SESSION_KICKED', 'SESSION_KICKED']);
    await until(async () => String(await stage.redisCommand('GET', keyOf(login))).startsWith('T'));
  });

  it('F19: every message comes again later, twice and in the opposite order: it changes nothing', async () => {
    const nodes = await stage.openAll(2);
    const witness = stage.witness(nodes);
    const heard: [channel: string, text: string][] = [];
    const listener = stage.client(stage.redisPort);
    await listener.psubscribe('*');
    listener.on('pmessage', (_pattern: string, channel: string, text: string) => heard.push([channel, text]));
    const live = await liveThrough(nodes, witness);
    await until(() => heard.filter(([channel]) => channel.endsWith('notices')).length >= 5);
    const again = [...heard, ...heard].reverse();
    await whileRepeating(
      async () => {
        const [channel, text] = again.pop() ?? heard[0]!;
        await redisCommand(stage.redisPort, 'PUBLISH', channel, text);
      },
      async () => {
        await liveThrough(nodes, witness);
        await until(() => again.length === 0);
      },
    );
    for (const login of live) await untilRemembered(nodes, login);
    await witness.close();
  });
});
