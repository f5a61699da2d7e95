import { describe, expect, it } from '@jest/globals';
import type { UserSession } from 'nestjs-latchkey';
import { kindsOf } from '../support/databases.js';
import { type Call, type LoginOutcome, TestNode, type VerifyOutcome, spread, startNodes } from '../support/nodes.js';
import { rounds } from '../support/size.js';
import { useDatabase } from '../support/use-database.js';

const ROUNDS = rounds('parallelLogins');
const FEWER = rounds('parallelLimits');
const PARALLEL = 50;
/** Fewer than rounds: the later ones find a session to replace. */
const USERS = Math.min(10, ROUNDS / 2);

const login = (user: string): Call => ['login', user, {}];
const verifyAll = async (nodes: TestNode[], logins: LoginOutcome[]) =>
  (await spread(
    nodes,
    logins.map(({ value }): Call => ['verify', value!.accessToken]),
  )) as VerifyOutcome[];
const countValid = (outcomes: VerifyOutcome[]) => outcomes.filter(({ value }) => value?.status === 'VALID').length;
const isRefused = ({ value }: VerifyOutcome) => value?.status === 'INVALID';

describe.each(kindsOf('postgres', 'mariadb'))('four processes on one $name', (kind) => {
  const database = useDatabase(kind, { isShared: true });
  let nodes: TestNode[] = [];
  const start = async (policy: Parameters<typeof startNodes>[1]['policy']) => {
    await Promise.all(nodes.map((node) => node.close()));
    nodes = await startNodes(4, { database: database.options, policy });
    for (const node of nodes) database.atEnd(() => node.close());
  };
  const logInAtOnce = (user: string, times: number) =>
    spread(
      nodes,
      Array.from({ length: times }, () => login(user)),
    ) as Promise<LoginOutcome[]>;

  it(`A73, A74, A75, G1: ${PARALLEL} parallel logins of one user, ${ROUNDS} rounds: one valid token, one live row`, async () => {
    await start({ name: 'singleDevice' });
    for (let round = 0; round < ROUNDS; round++) {
      const user = `single-${round % USERS}`;
      const logins = await logInAtOnce(user, PARALLEL);
      expect(logins.filter(({ error }) => error)).toEqual([]);
      const verified = await verifyAll(nodes, logins);
      expect(countValid(verified)).toBe(1);
      expect(verified.filter(isRefused)).toHaveLength(PARALLEL - 1);
      // Every loser heard of one winner, and every end was reported by one login.
      expect(logins.flatMap(({ value }) => value!.ended).length).toBe(round < USERS ? PARALLEL - 1 : PARALLEL);
      const listed = await nodes[round % 4]!.call<UserSession[]>('list', user);
      expect(listed.value).toHaveLength(1);
    }
  });

  it('A73: the same with multi:3: three valid tokens, three live rows', async () => {
    await start({ name: 'multiDevice', options: { max: 3 } });
    for (let round = 0; round < FEWER; round++) {
      const user = `multi-${round}`;
      const logins = await logInAtOnce(user, PARALLEL);
      expect(logins.filter(({ error }) => error)).toEqual([]);
      expect(countValid(await verifyAll(nodes, logins))).toBe(3);
      expect((await nodes[round % 4]!.call<UserSession[]>('list', user)).value).toHaveLength(3);
    }
  });

  it('A73: the same with multi:3 and reject: three get in, the others are told why', async () => {
    await start({ name: 'multiDevice', options: { max: 3, overflow: 'reject' } });
    const outcomes = await logInAtOnce('full', PARALLEL);
    expect(outcomes.filter(({ value }) => value)).toHaveLength(3);
    expect(new Set(outcomes.flatMap(({ error }) => (error ? [error.code] : [])))).toEqual(
      new Set(['SESSION_LIMIT_REACHED']),
    );
  });

  it('A67, G11: kick-all racing logins ends every session that was acknowledged before it', async () => {
    await start({ name: 'multiDevice' });
    for (let round = 0; round < FEWER; round++) {
      const user = `kicked-${round}`;
      const before = await logInAtOnce(user, 8);
      const [kick, ...racing] = await spread(nodes, [
        ['kickUser', user, { by: 'root' }],
        ...Array.from({ length: 24 }, () => login(user)),
      ]);
      expect(kick!.error).toBeUndefined();
      expect((await verifyAll(nodes, before)).every(isRefused)).toBe(true);
      // A login beside the kick came before it and is dead, or after it and lives; the list agrees with the tokens.
      const alive = countValid(await verifyAll(nodes, racing as LoginOutcome[]));
      expect((await nodes[0]!.call<UserSession[]>('list', user)).value).toHaveLength(alive);
    }
  });

  it('A63, A66, G6: no node accepts a token in a request that starts after its logout was acknowledged', async () => {
    await start({ name: 'multiDevice' });
    for (let round = 0; round < FEWER; round++) {
      const one = await nodes[0]!.call<{ accessToken: string }>('login', 'leaver', {});
      const token = one.value!.accessToken;
      let acknowledged = false;
      const late: string[] = [];
      const hammer = async (node: TestNode) => {
        for (let after = 0; after < 5;) {
          const startedAfter = acknowledged;
          const { value } = (await node.call('verify', token)) as VerifyOutcome;
          if (startedAfter) {
            after++;
            late.push(value!.status);
          }
        }
      };
      const hammers = Promise.all(nodes.map(hammer));
      expect((await nodes[round % 4]!.call('logout', token)).value).toBe(true);
      acknowledged = true;
      await hammers;
      expect(new Set(late)).toEqual(new Set(['INVALID']));
    }
  });

  it('goes on with what the others know when one is killed, and what it acknowledged is kept', async () => {
    await start({ name: 'singleDevice' });
    const [doomed, ...others] = nodes as [TestNode, ...TestNode[]];
    const users = Array.from({ length: 20 }, (_, index) => `survivor-${index}`);
    const acknowledged = (await doomed.run(users.map(login))) as LoginOutcome[];
    // These may be acknowledged or not; the ones that are must hold.
    doomed.run(users.map(login)).catch(() => undefined);
    const kicks = (await doomed.run(users.slice(0, 5).map((user): Call => ['kickUser', user, { by: 'root' }]))) as {
      error?: unknown;
    }[];
    await doomed.kill();
    nodes = others;
    expect(kicks.every(({ error }) => !error)).toBe(true);
    const verified = await verifyAll(others, acknowledged);
    for (const [index, user] of users.entries()) {
      const { value: live } = await others[index % 3]!.call<UserSession[]>('list', user);
      const result = verified[index]!.value!;
      // A racing login may have come after the kick, or have replaced the one before; nobody has its token.
      if (index < 5) {
        expect(isRefused(verified[index]!)).toBe(true);
        expect(live!.length).toBeLessThanOrEqual(1);
      } else {
        expect(live).toHaveLength(1);
        const isLive = live![0]!.id === acknowledged[index]!.value!.session.id;
        expect(result).toMatchObject(isLive ? { status: 'VALID' } : { reason: 'SESSION_REPLACED' });
      }
    }
    // The survivors do not wait for the dead.
    const again = (await spread(others, users.map(login))) as LoginOutcome[];
    expect(again.filter(({ error }) => error)).toEqual([]);
  });
});
