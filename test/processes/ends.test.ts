import { expect, it } from '@jest/globals';
import { TIMING, useStage } from '../faults/stage.js';
import { type Call, type LoginOutcome, TestNode, type VerifyOutcome, spread } from '../support/nodes.js';
import { rounds } from '../support/size.js';
import { until } from '../support/until.js';

const ENDS = rounds('endsUnderLoad');
/** Ends that are under way at the same time. */
const PARALLEL = 6;

/** One login, and how it is ended. */
interface Login {
  readonly user: string;
  readonly token: string;
  readonly id: string;
}

const KINDS: readonly ((login: Login) => Call)[] = [
  ({ token }) => ['logout', token],
  ({ id }) => ['kick', id, { by: 'root' }],
  ({ user }) => ['kickUser', user, { by: 'root' }],
  ({ user }) => ['login', user, {}],
  ({ user }) => ['revokeSessions', user],
  ({ user, id }) => ['end', user, id],
];

/** A few at a time: each is to be done within its budget, also on a busy machine. */
async function logIn(nodes: readonly TestNode[], users: readonly string[]): Promise<Login[]> {
  const logins: Login[] = [];
  for (let from = 0; from < users.length; from += 50) {
    const some = users.slice(from, from + 50);
    const calls = some.map((user): Call => ['login', user, {}]);
    for (const [index, { value, error }] of ((await spread(nodes, calls)) as LoginOutcome[]).entries()) {
      expect(error).toBeUndefined();
      logins.push({ user: some[index]!, token: value!.accessToken, id: value!.session.id });
    }
  }
  return logins;
}

const stage = useStage();

it(`G6: ${ENDS} ends under load on four processes: not one accepts a token once its end was acknowledged`, async () => {
  const timing = { ...TIMING, verifyBudget: '5s', loginBudget: '20s' };
  const nodes = (await Promise.all([1, 2, 3, 4].map(() => stage.openProcess({ timing })))).map(({ node }) => node);
  const logins = await logIn(
    nodes,
    Array.from({ length: ENDS }, (_, index) => `user-${index}`),
  );
  const verify = async (node: TestNode, token: string) => (await node.call('verify', token)) as VerifyOutcome;
  const statuses = async (token: string) =>
    (await Promise.all(nodes.map((node) => verify(node, token)))).map(({ value }) => value?.status);
  const reads = async () =>
    Number(/cmdstat_get:calls=(\d+)/.exec(String(await stage.redisCommand('INFO', 'commandstats')))?.[1] ?? 0);
  // Each goes by what it remembers, as far as Redis can tell: it is asked no more.
  await until(async () => {
    const before = await reads();
    const answers = await Promise.all(logins.slice(0, 20).map(({ token }) => statuses(token)));
    expect(new Set(answers.flat())).toEqual(new Set(['VALID']));
    return Number(await stage.redisCommand('DBSIZE')) >= 20 && (await reads()) === before;
  });
  let isOver = false;
  let verified = 0;
  const load = nodes.map(async (node, index) => {
    for (let round = index; !isOver; round++) {
      // Those that are about to be ended among them.
      const calls = Array.from({ length: 20 }, (_, n): Call => ['verify', logins[(round * 7 + n * 11) % ENDS]!.token]);
      verified += (await node.run(calls)).length;
    }
  });
  let next = 0;
  const late: unknown[] = [];
  const failed: unknown[] = [];
  const worker = async () => {
    for (let n = next++; n < ENDS; n = next++) {
      const login = logins[n]!;
      // It is in use everywhere when it ends.
      const uses = nodes.map((node) => verify(node, login.token));
      const { error } = await nodes[n % 4]!.call(...KINDS[n % KINDS.length]!(login));
      if (error) failed.push(error);
      const answers = await statuses(login.token);
      if (answers.some((status) => status !== 'INVALID')) late.push([n, n % KINDS.length, answers]);
      await Promise.all(uses);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  isOver = true;
  await Promise.all(load);
  expect({ late, failed }).toEqual({ late: [], failed: [] });
  expect(verified).toBeGreaterThan(ENDS);
});
