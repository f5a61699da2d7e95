import { beforeAll, describe, expect, it } from '@jest/globals';
import { type DevicePolicy, allOf, multiDevice, oneDevicePerType, singleDevice } from 'nestjs-latchkey';
import { redis } from 'nestjs-latchkey/redis';
import {
  type ContractCase,
  type RepositoriesUnderTest,
  type SessionRepository,
  devicePolicyContract,
  messengerContract,
  openSqlRepositories,
  sessionRepositoryContract,
} from 'nestjs-latchkey/testing';
import { databaseKinds } from '../support/databases.js';
import { redisPrefix, startRedis } from '../support/redis.js';
import { useDatabase, useEnd } from '../support/use-database.js';

const kept = (cases: readonly ContractCase[]) => {
  for (const { name, run } of cases) it(name, run);
};

/** Names of the cases that fail. */
async function brokenBy(cases: readonly ContractCase[]): Promise<string[]> {
  const failed: string[] = [];
  for (const { name, run } of cases) await run().catch(() => failed.push(name));
  return failed;
}

describe.each(databaseKinds)('the repository on $name', (kind) => {
  const database = useDatabase(kind, { isShared: true });
  let repositories: RepositoriesUnderTest;
  beforeAll(async () => {
    const opened = await openSqlRepositories(database.options);
    database.atEnd(() => opened.close());
    repositories = opened;
  });
  kept(sessionRepositoryContract(() => repositories));

  if (kind.name !== 'sqlite') return;
  it.each<[string, (given: SessionRepository, foreign: SessionRepository) => Partial<SessionRepository>, string]>([
    ['ends nothing', () => ({ endSession: async () => null }), 'changes no session that has ended'],
    [
      'forgets bans',
      (given) => ({ ban: (account, ban) => given.ban(account, { ...ban, until: 1 }, true) }),
      'bans an account',
    ],
    [
      'spares no session',
      (given) => ({
        endAccountSessions: (account, end, { raiseEpoch }) =>
          given.endAccountSessions(account, end, { except: null, raiseEpoch }),
      }),
      'spares one session',
    ],
    [
      'finds what is of another realm',
      (given, foreign) => ({
        findSessions: async (ids) => [...(await given.findSessions(ids)), ...(await foreign.findSessions(ids))],
      }),
      'logs in',
    ],
    [
      'sees no other login',
      (given) => ({ login: (request) => given.login({ ...request, decide: (_live, now) => request.decide([], now) }) }),
      'ends in one step',
    ],
  ])('is found out where it %s', async (_how, methods, name) => {
    const { nodes, foreign } = repositories;
    const broken = (good: SessionRepository, of = foreign) =>
      Object.assign(Object.create(good) as SessionRepository, methods(good, of));
    const cases = sessionRepositoryContract(() => ({
      ...repositories,
      nodes: [broken(nodes[0]), broken(nodes[1])],
      foreign: broken(foreign, nodes[0]),
    }));
    expect((await brokenBy(cases)).some((failed) => failed.startsWith(name))).toBe(true);
  });
});

describe('the messenger of Redis', () => {
  const atEnd = useEnd(true);
  const prefix = redisPrefix();
  let url: string;
  beforeAll(async () => {
    const server = await startRedis();
    atEnd(() => server.stop());
    url = server.url;
  });
  kept(messengerContract(() => redis(url, { prefix })));

  it('is found out where realms share a channel, or a stopped node still listens', async () => {
    const shared = messengerContract(() => ({
      create: (context) => redis(url, { prefix }).create({ ...context, realm: 'one' }),
    }));
    expect(await brokenBy(shared)).toEqual(['keeps realms apart']);
    const deaf = messengerContract(() => ({
      create: (context) => {
        const backend = redis(url, { prefix }).create(context);
        let isRunning = true;
        const stop = () => backend.stop().then(() => void (isRunning = false));
        const start: typeof backend.start = (handlers) => {
          backend.start({ ...handlers, onConnection: () => isRunning && handlers.onConnection(true) });
          handlers.onConnection(true);
        };
        return { cache: backend.cache, messenger: backend.messenger, state: backend.state, start, stop };
      },
    }));
    expect(await brokenBy(deaf)).toEqual(['tells when it is connected']);
  });
});

describe.each([
  singleDevice(),
  oneDevicePerType(),
  multiDevice(),
  multiDevice({ max: 2 }),
  multiDevice({ max: Infinity }),
  oneDevicePerType({ types: { mobile: ['phone', 'tablet'], desk: ['laptop', 'desktop'] } }),
  allOf(oneDevicePerType(), multiDevice({ max: 3 })),
  allOf(multiDevice({ max: 3, overflow: 'reject' }), oneDevicePerType(), multiDevice({ max: 5 })),
])('the policy $name', (policy) => kept(devicePolicyContract(policy)));

it('the policy multiDevice that refuses keeps the contract', async () => {
  for (const overflow of ['reject', 'evict-least-active'] as const) {
    expect(await brokenBy(devicePolicyContract(multiDevice({ max: 2, overflow })))).toEqual([]);
  }
});

describe('a policy that is wrong', () => {
  const wrong = (decide: DevicePolicy['decide']) => brokenBy(devicePolicyContract({ name: 'wrong', decide }));
  const any = multiDevice();

  it.each<[string, string, DevicePolicy['decide']]>([
    [
      'keeps the session whose token came with the login',
      'ends the session whose token came with the login',
      (login, live) => any.decide({ ...login, presentedSessionId: null }, live),
    ],
    [
      'keeps the session of the same device',
      'ends the session of the same device',
      (login, live) => any.decide({ ...login, deviceId: null }, live),
    ],
    [
      'goes by chance',
      'decides the same for the same sessions, in any order',
      (login, live) => {
        const decision = any.decide(login, live);
        return decision.kind === 'grant' ? { ...decision, slot: `${Math.random()}` } : decision;
      },
    ],
    [
      'sorts what it was given',
      'changes nothing of what it is given',
      (login, live) => {
        (live as object[]).sort();
        return any.decide(login, live);
      },
    ],
  ])('as it %s is found out', async (_how, name, decide) => {
    expect(await wrong(decide)).toEqual([name]);
  });

  it('as it says nonsense of what it needs is found out', async () => {
    for (const needs of ['newest', { newest: 0 }, { newest: 1001 }, { newest: 1.5 }, 7, null]) {
      const failed = await brokenBy(devicePolicyContract({ ...singleDevice(), needs: needs as never }));
      expect(failed).toContain('says what it needs to see');
    }
  });

  it.each(['device', 'all'] as const)(
    'as it grants a slot that is taken, and needs %p, is found out',
    async (needs) => {
      const decide: DevicePolicy['decide'] = () => ({ kind: 'grant', slot: 'one', end: [] });
      const failed = await brokenBy(devicePolicyContract({ name: 'wrong', needs, decide }));
      expect(failed).toContain('grants a free slot, or refuses with its limit');
    },
  );
});
