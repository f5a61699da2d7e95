import { beforeAll, describe, expect, it } from '@jest/globals';
import type { LoginResult, Verification } from 'nestjs-latchkey';
import { BUDGETS } from '../faults/budgets.js';
import { Witness } from '../faults/witness.js';
import { Crowd } from '../support/crowd.js';
import { databaseKinds } from '../support/databases.js';
import { type Call, type TestNode, spread, startNodes } from '../support/nodes.js';
import { startRedis } from '../support/redis.js';
import type { Sessions } from '../support/sessions.js';
import { rounds } from '../support/size.js';
import { until } from '../support/until.js';
import { useDatabase } from '../support/use-database.js';

const ROUNDS = rounds('massEnds');
/** With the logins of a round, more than are closed at once. */
const MANY = 240;
const BEFORE = 8;
/** Logins beside an end that each node makes one after the other, and goes on until the end is acknowledged. */
const RACING = 4;
const TIMING = { ...BUDGETS, loginBudget: '20s', endBudget: '20s', poll: '200ms', sweep: '1s' } as const;

interface Case {
  readonly name: string;
  readonly reason: string;
  readonly isBan?: true;
  readonly end: (user: string, kept: LoginResult | null) => Call;
  readonly keeps?: true;
}

const by = { by: 'root' };
const ENDS: readonly Case[] = [
  { name: 'kickUser', reason: 'SESSION_KICKED', end: (user) => ['kickUser', user, by] },
  { name: 'revokeSessions', reason: 'SESSION_REVOKED', end: (user) => ['revokeSessions', user, by] },
  {
    name: 'revokeSessions of all but one',
    reason: 'SESSION_REVOKED',
    keeps: true,
    end: (user, kept) => ['revokeSessions', user, { ...by, except: kept!.session.id }],
  },
  { name: 'ban', reason: 'ACCOUNT_DISABLED', isBan: true, end: (user) => ['ban', user, by] },
];

describe.each(databaseKinds)('very many sessions of one user that end under four processes on $name', (kind) => {
  const database = useDatabase(kind, { isShared: true });
  let nodes: TestNode[];
  let inspector: Sessions;
  let witness: Witness;
  beforeAll(async () => {
    inspector = await database.start({ timing: { ...TIMING, sweep: '1h' } });
    const server = kind.name === 'sqlite' ? null : await startRedis();
    if (server) database.atEnd(() => server.stop());
    nodes = await startNodes(4, {
      database: database.options,
      policy: { name: 'multiDevice', options: { max: 1000 } },
      redis: server && { url: `redis://127.0.0.1:${server.port}` },
      timing: TIMING,
    });
    for (const node of nodes) database.atEnd(() => node.close());
  });

  const nodeOf = (index: number) => nodes[index % nodes.length]!;
  const good = async <T>(node: TestNode, ...call: Call): Promise<T> => {
    const { value, error } = await node.call<T>(...call);
    expect(error).toBeUndefined();
    return value as T;
  };
  const verify = (node: TestNode) => (token: string) => good<Verification>(node, 'verify', token);
  /** What all nodes say of each, which must be one. */
  const verdicts = async (logins: readonly LoginResult[]) => {
    const answers = await Promise.all(
      nodes.map((node) => node.run(logins.map(({ accessToken }): Call => ['verify', accessToken]))),
    );
    return logins.map((_, index) => {
      const said = answers.map((outcomes) => outcomes[index]!.value as Verification);
      const verdict = new Set(said.map((one) => (one.status === 'INVALID' ? one.reason : one.status)));
      expect([...verdict]).toHaveLength(1);
      return [...verdict][0]!;
    });
  };

  const race = async ({ name, reason, isBan, keeps, end }: Case, round: number) => {
    const user = `${name} ${round}`;
    const crowd = new Crowd(inspector, user);
    const logIn = (node: TestNode) => node.call<LoginResult>('login', user, {});
    const early = (await spread(nodes, Array(BEFORE).fill(['login', user, {}] satisfies Call))).map(
      ({ value }) => value as LoginResult,
    );
    await crowd.add(early[0]!.session, MANY);
    const kept = keeps ? await good<LoginResult>(nodeOf(round), 'login', user, {}) : null;
    const ticket = await good<string>(nodeOf(round), 'beginLogin', user);
    witness.watch(...early, ...(kept ? [kept] : []));

    const racing: LoginResult[] = [];
    let state: 'before' | 'ending' | 'ended' = 'before';
    let answered = 0;
    let mayEnd!: () => void;
    const isTime = new Promise<void>((resolve) => (mayEnd = resolve));
    const logInAgainAndAgain = async (node: TestNode) => {
      for (let turn = 0; turn < RACING || state !== 'ended'; turn++) {
        const began = state;
        const { value, error } = await logIn(node);
        if (error) expect([began === 'before' && state === 'before', error.code]).toEqual([false, reason]);
        else if (state === 'before') {
          witness.watch(value!);
          early.push(value!);
        } else if (began === 'ended') {
          // A ban lets nobody in.
          expect(isBan).toBeUndefined();
          witness.watch(value!);
          racing.push(value!);
        } else racing.push(value!);
        if (++answered === 1 + ((5 * round) % 12)) mayEnd();
      }
    };
    const logins = Promise.all([...nodes, ...nodes].map(logInAgainAndAgain));
    await isTime;
    state = 'ending';
    const before = [...early];
    const ended = await witness.ending(before, () => good(nodeOf(round), ...end(user, kept)));
    state = 'ended';
    if (!isBan) expect(ended).toBeNull();
    await logins;

    // Nobody accepts what was there before, and all agree on what was opened meanwhile.
    expect(new Set(await verdicts(before))).toEqual(new Set([reason]));
    const said = await verdicts(racing);
    for (const verdict of said) expect(['VALID', reason]).toContain(verdict);
    const alive = racing.filter((_, index) => said[index] === 'VALID');
    const late = await nodeOf(round + 1).call('login', user, { ticket });
    expect(late.error?.code).toBe(isBan ? 'ACCOUNT_DISABLED' : 'SESSION_REVOKED');
    if (isBan) {
      expect(alive).toEqual([]);
      expect((await logIn(nodeOf(round + 2))).error?.code).toBe('ACCOUNT_DISABLED');
      await good(nodeOf(round + 2), 'liftBan', user, by);
    }
    const next = await good<LoginResult>(nodeOf(round + 3), 'login', user, {});
    witness.watch(next);
    const live = [...alive, next, ...(kept ? [kept] : [])];
    expect(new Set(await verdicts(live))).toEqual(new Set(['VALID']));
    expect(new Set(await verdicts(before))).toEqual(new Set([reason]));

    // Lists are right at any time, and so are the rows once they are closed.
    const ids = live.map(({ session }) => session.id).sort();
    await until(async () => {
      const listed = await good<readonly { id: string }[]>(nodeOf(round), 'list', user);
      expect(listed.map(({ id }) => id).sort()).toEqual(ids);
      return crowd.isClosed();
    });
    const [massEnd, ...more] = await crowd.massEnds();
    expect(more).toEqual([]);
    expect(massEnd!.end).toMatchObject({ reason, by: 'root' });
    const rows = await crowd.sessions();
    expect(rows.filter(({ status }) => status === 'live').map(({ id }) => id)).toEqual(ids);
    for (const { status, accountEpoch, end: ending } of rows) {
      if (status === 'live') expect(accountEpoch).toBe(massEnd!.version);
      else expect([accountEpoch, ending]).toEqual([0, massEnd!.end]);
    }
    expect(massEnd!.ended).toBe(rows.length - ids.length);
    for (const { session } of alive) expect(session.createdAt).toBeGreaterThanOrEqual(massEnd!.end.at);
  };

  it(`G11, G12: whatever logs in meanwhile, ${ROUNDS} rounds: ended everywhere, or opened after`, async () => {
    witness = new Witness(nodes.map(verify));
    database.atEnd(() => witness.stop());
    const stranger = await good<LoginResult>(nodeOf(0), 'login', 'stranger', {});
    witness.watch(stranger);
    for (let round = 0; round < ROUNDS; round++) {
      for (const one of ENDS) await race(one, round);
    }
    await witness.close();
  });
});
