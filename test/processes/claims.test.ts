import { expect, it } from '@jest/globals';
import { TIMING, useStage } from '../faults/stage.js';
import {
  type Call,
  type LoginOutcome,
  type NodeOptions,
  type TestNode,
  type VerifyOutcome,
  spread,
} from '../support/nodes.js';
import { rounds } from '../support/size.js';
import { until } from '../support/until.js';

const CHANGES = rounds('claimChanges');
/** Changes that are under way at the same time, each of another user. */
const PARALLEL = 6;
const DEVICES = 2;

interface User {
  readonly name: string;
  readonly tokens: readonly string[];
  /** Number of the last change that was acknowledged. */
  acknowledged: number;
}

/** What a verification says, and which change it has to know: the last one that was acknowledged when it began. */
interface Look {
  readonly known: number;
  readonly seen: unknown;
  readonly isCopy: boolean;
}

const stage = useStage();

it.each<[string, Pick<NodeOptions, 'redis'>, boolean]>([
  ['with Redis', {}, false],
  ['without Redis', { redis: null }, false],
  ['with a hung Redis', {}, true],
])(
  `G14: ${CHANGES} changes of claims under load on three processes %s: none acts by old ones once the change was acknowledged`,
  async (name, options, isHung) => {
    const timing = { ...TIMING, verifyBudget: '10s', loginBudget: '20s', endBudget: '20s' };
    const opened = await Promise.all(
      [1, 2, 3].map(() => stage.openProcess({ timing, policy: { name: 'multiDevice' }, ...options })),
    );
    const nodes = opened.map(({ node }) => node);
    const users = await Promise.all(
      Array.from({ length: PARALLEL }, async (_, index): Promise<User> => {
        const user = `user-${index}`;
        const logins = Array.from({ length: DEVICES }, (): Call => ['login', user, { claims: { n: 0 } }]);
        const outcomes = (await spread(nodes, logins)) as LoginOutcome[];
        return { name: user, tokens: outcomes.map(({ value }) => value!.accessToken), acknowledged: 0 };
      }),
    );
    const look = async (node: TestNode, user: User, token: string): Promise<Look> => {
      const known = user.acknowledged;
      const { value } = (await node.call('verify', token)) as VerifyOutcome;
      const isValid = value?.status === 'VALID';
      return { known, seen: isValid ? value.session.claims : value, isCopy: isValid && value.cached === true };
    };
    const lookEverywhere = (user: User) =>
      Promise.all(nodes.flatMap((node) => user.tokens.map((token) => look(node, user, token))));
    // Copies are what could be old. Without Redis there are none while there are several nodes.
    if (options.redis !== null) {
      await until(async () => (await Promise.all(users.map(lookEverywhere))).flat().every(({ isCopy }) => isCopy));
    }
    if (isHung) for (const { redis } of opened) redis.hold();
    const looks: Look[] = [];
    let isOver = false;
    const load = nodes.map(async (node, index) => {
      for (let round = index; !isOver; round++) {
        const user = users[round % users.length]!;
        looks.push(...(await Promise.all(user.tokens.map((token) => look(node, user, token)))));
      }
    });
    let next = 1;
    const late: unknown[] = [];
    const worker = async (user: User) => {
      for (let n = next++; n <= CHANGES; n = next++) {
        const ticket = await nodes[(n + 1) % 3]!.call<string>('beginLogin', user.name);
        const before = user.acknowledged;
        expect(await nodes[n % 3]!.call('updateUserClaims', user.name, { n })).toEqual({ value: DEVICES });
        user.acknowledged = n;
        looks.push(...(await lookEverywhere(user)));
        // A login that read the old claims.
        const login = { claims: { n: before }, ticket: ticket.value };
        const { error } = await nodes[(n + 2) % 3]!.call('login', user.name, login);
        if (error?.code !== 'SESSION_REVOKED') late.push([n, error]);
      }
    };
    await Promise.all(users.map(worker));
    isOver = true;
    await Promise.all(load);
    const isOld = ({ known, seen }: Look) => !((seen as { n?: number }).n! >= known);
    expect({ name, old: looks.filter(isOld), late }).toEqual({ name, old: [], late: [] });
    expect(looks.length).toBeGreaterThan(CHANGES * 3 * DEVICES);
    expect(looks.some(({ isCopy }) => isCopy)).toBe(options.redis !== null);
  },
);
