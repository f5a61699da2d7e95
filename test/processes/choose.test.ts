import { describe, expect, it } from '@jest/globals';
import { useStage } from '../faults/stage.js';
import { databaseKinds } from '../support/databases.js';
import type { Call, LoginOutcome, Outcome, TestNode } from '../support/nodes.js';
import { rounds } from '../support/size.js';

const ROUNDS = rounds('parallelChoices');
const POLICY = { name: 'multiDevice', options: { max: 2, overflow: 'reject' } } as const;
const BUDGETS = { verifyBudget: '20s', loginBudget: '20s', endBudget: '20s' } as const;

interface Listed {
  readonly id: string;
}

describe.each(databaseKinds)('two devices and one place on $name', (kind) => {
  const stage = useStage({ kind });

  it(`are never both let in, by one ticket or by two: ${ROUNDS} rounds on four processes`, async () => {
    const opened = await Promise.all([1, 2, 3, 4].map(() => stage.openProcess({ policy: POLICY, timing: BUDGETS })));
    const nodes = opened.map(({ node }) => node) as [TestNode, TestNode, TestNode, TestNode];
    for (let round = 0; round < ROUNDS; round++) {
      const user = `user-${round}`;
      const login = (node: TestNode, options: object = {}) =>
        node.call('login', user, options) as Promise<LoginOutcome>;
      const list = async () => ((await nodes[round % 4]!.call('list', user)) as Outcome<Listed[]>).value!;
      const before = [await login(nodes[0]), await login(nodes[1])].map(({ value }) => value!);
      // Used, so that neither is taken for a login that was lost on its way.
      await nodes[0].run(before.map(({ accessToken }): Call => ['verify', accessToken]));
      const tickets = (await Promise.all([login(nodes[2]), login(nodes[3])])).map(({ error }) => error!.ticket!);
      const ids = before.map(({ session }) => session.id);
      const choices = nodes.map((node, index) => {
        const end = [[ids[0]], [ids[1]], ids, 'oldest'][(index + round) % 4];
        return login(node, { makeRoom: { choice: tickets[index % 2], end } });
      });
      const outcomes = await Promise.all(choices);
      const winners = outcomes.flatMap(({ value }) => value ?? []);
      expect(winners).toHaveLength(1);
      expect(outcomes.flatMap(({ error }) => error?.code ?? [])).toEqual(Array(3).fill('LOGIN_CHOICE_INVALID'));
      const [{ session, ended }] = winners as [NonNullable<LoginOutcome['value']>];
      const gone = ended.map(({ sessionId }) => sessionId);
      expect(new Set(gone).size).toBe(gone.length);
      expect(gone.length).toBeGreaterThan(0);
      const kept = ids.filter((id) => !gone.includes(id));
      expect((await list()).map(({ id }) => id).sort()).toEqual([session.id, ...kept].sort());
    }
  });
});
