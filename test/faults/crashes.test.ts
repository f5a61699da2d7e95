import { beforeEach, describe, expect, it } from '@jest/globals';
import type { DataSource } from 'typeorm';
import type { LoginResult, RefreshResult } from 'nestjs-latchkey';
import { TcpProxy } from '../support/tcp-proxy.js';
import { timed, until } from '../support/until.js';
import { SLACK_MS } from './budgets.js';
import {
  type FaultNode,
  type ProcessNode,
  keyOf,
  untilRemembered,
  untilWell,
  verdictOf,
  verdictsOf,
  KICK,
  useStage,
} from './stage.js';

/** Longest time until a node knows of a change by itself. */
const FRESHNESS_MS = 2000;

describe('a node that is killed', () => {
  const stage = useStage();
  let inspector: DataSource;
  let first: FaultNode;
  let second: FaultNode;
  let survivors: readonly FaultNode[];
  let doomed: ProcessNode;
  beforeEach(async () => {
    inspector = await stage.database.connect();
    survivors = await stage.openAll(2);
    [first, second] = survivors as [FaultNode, FaultNode];
    doomed = await stage.openProcess({ http: true });
    await untilWell(survivors);
  });

  const liveSessionsOf = async (user: string) =>
    (await inspector.query(
      `SELECT id, generation FROM latchkey_session WHERE user_id = '${user}' AND status <> 'ended'`,
    )) as { id: string; generation: number }[];

  const remembered = async (user: string) => {
    const login = await first.tokens.login(user);
    await untilRemembered(survivors, login);
    return login;
  };

  /** Kills the doomed node when its work is recorded and not acknowledged: one survivor cannot read of it before. */
  const killDuring = async (work: () => Promise<unknown>, isRecorded: () => Promise<boolean>, login: LoginResult) => {
    second.database.hold();
    const outcome = { isAcknowledged: false };
    work().then(
      () => (outcome.isAcknowledged = true),
      () => undefined, // it is killed before it answers
    );
    await until(isRecorded);
    await doomed.node.kill();
    expect(outcome.isAcknowledged).toBe(false);
    // The fault is a real one: nobody has told this node of the end, and it goes by its memory while it may.
    expect(['VALID', 'UNKNOWN']).toContain(await verdictOf(second, login));
    second.database.release();
  };

  it('F17: between the commit of an end and its publication: the others find it by themselves, and it can be repeated', async () => {
    const login = await remembered('alice');
    doomed.redis.hold();
    const isEnded = async () => (await liveSessionsOf('alice')).length === 0;
    await killDuring(() => doomed.node.call('kickUser', 'alice', KICK), isEnded, login);
    const found = await timed(until(async () => (await verdictOf(second, login)) === 'SESSION_KICKED'));
    expect(found.ms).toBeLessThan(FRESHNESS_MS + SLACK_MS);
    expect(await first.operators.kickUser('alice', KICK)).toBe(0);
    expect(await verdictsOf(survivors, login)).toEqual(['SESSION_KICKED', 'SESSION_KICKED']);
  });

  it('F17: the same, and the repetition comes before anybody has found it: it is not acknowledged too soon', async () => {
    const login = await remembered('alice');
    doomed.redis.hold();
    const isEnded = async () => (await liveSessionsOf('alice')).length === 0;
    await killDuring(() => doomed.node.call('kick', login.session.id, KICK), isEnded, login);
    const witness = stage.witness(survivors);
    witness.watch(login);
    expect(await witness.ending([login], () => first.operators.kick(login.session.id, KICK))).toBe(false);
    expect(await verdictsOf(survivors, login)).toEqual(['SESSION_KICKED', 'SESSION_KICKED']);
    await witness.close({ mayBeUnknown: true });
  });

  it('F16: between the commit of a login and its publication: nobody has the token, and the user logs in again', async () => {
    const old = await remembered('alice');
    doomed.redis.hold();
    const isReplaced = async () => (await liveSessionsOf('alice')).every(({ id }) => id !== old.session.id);
    await killDuring(() => doomed.node.call('login', 'alice', {}), isReplaced, old);
    const [lost] = await liveSessionsOf('alice');
    const found = await timed(until(async () => (await verdictOf(second, old)) === 'SESSION_REPLACED'));
    expect(found.ms).toBeLessThan(FRESHNESS_MS + SLACK_MS);
    const again = await second.tokens.login('alice');
    expect(again.ended).toEqual([{ sessionId: lost!.id, reason: 'SESSION_REPLACED' }]);
    expect(await liveSessionsOf('alice')).toHaveLength(1);
    expect(await verdictsOf(survivors, again)).toEqual(['VALID', 'VALID']);
    expect(await verdictsOf(survivors, old)).toEqual(['SESSION_REPLACED', 'SESSION_REPLACED']);
  });

  it('F18: after the tombstone is written and before the answer to a login: the user logs in again', async () => {
    const old = await remembered('alice');
    // It hears of no message, so that the doomed node waits for it.
    second.redis.hold();
    const isBuried = async () => String(await stage.redisCommand('GET', keyOf(old))).startsWith('T');
    await killDuring(() => doomed.node.call('login', 'alice', {}), isBuried, old);
    second.redis.release();
    const again = await first.tokens.login('alice');
    expect(again.ended).toHaveLength(1);
    expect(await verdictsOf(survivors, again)).toEqual(['VALID', 'VALID']);
    expect(await verdictsOf(survivors, old)).toEqual(['SESSION_REPLACED', 'SESSION_REPLACED']);
    expect(await liveSessionsOf('alice')).toHaveLength(1);
  });

  it('F18, F21: before the answer to a refresh arrives: repeating it elsewhere gives the very same pair', async () => {
    const { refreshToken, ...login } = await remembered('alice');
    const way = await TcpProxy.start(doomed.node.port);
    stage.atEnd(() => way.close());
    way.holdReplies();
    const late = fetch(`http://127.0.0.1:${way.port}/refresh`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', connection: 'close' },
      body: JSON.stringify({ refreshToken }),
    });
    await until(() => way.waiting > 0);
    await doomed.node.kill();
    const retries = await Promise.all(survivors.map(({ tokens }) => tokens.refresh(refreshToken)));
    way.release();
    const lost = (await (await late).json()) as RefreshResult;
    for (const { accessToken, refreshToken: next } of retries) {
      expect([accessToken, next]).toEqual([lost.accessToken, lost.refreshToken]);
    }
    expect((await liveSessionsOf('alice')).map(({ generation }) => Number(generation))).toEqual([2]);
    for (const tokens of [login, { ...login, ...lost }]) {
      expect(await verdictsOf(survivors, tokens)).toEqual(['VALID', 'VALID']);
    }
  });
});
