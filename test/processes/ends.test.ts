import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { DataSourceOptions } from 'typeorm';
import { type TestDatabase, kindsOf } from '../support/databases.js';
import { type Call, type LoginOutcome, TestNode, type VerifyOutcome, spread, startNodes } from '../support/nodes.js';
import { rounds } from '../support/size.js';
import { type RedisServer, redisCommand, redisPrefix, startRedis } from '../support/redis.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';

const ENDS = rounds('endsUnderLoad');
/** Ends that are under way at the same time. */
const PARALLEL = 6;
/** D, which here is also the longest time for which a node may go by its memory in an outage. Milliseconds. */
const D = 2000;
/** What a busy machine may add. */
const SLACK = 2500;

/** One login, and how it is ended. */
interface Login {
  readonly user: string;
  readonly token: string;
  readonly id: string;
}

/** Each takes its login, and the number of the end. */
const KINDS: readonly ((login: Login, n: number) => Call)[] = [
  ({ token }) => ['logout', token],
  ({ id }) => ['kick', id, { by: 'root' }],
  ({ user }) => ['kickUser', user, { by: 'root' }],
  ({ user }) => ['login', user, {}],
  ({ user }) => ['revokeSessions', user],
  ({ user, id }) => ['end', user, id],
];

describe('four processes on one PostgreSQL and one Redis, each with a memory of its own', () => {
  let database: TestDatabase;
  let server: RedisServer;
  let nodes: TestNode[] = [];
  const proxies: TcpProxy[] = [];
  let prefix: string;
  const options = {
    policy: { name: 'singleDevice' },
    timing: { pollFreshness: `${D}ms`, outageGrace: `${D}ms`, verifyBudget: '5s', loginBudget: '20s' },
  } as const;

  /** A node whose way to one of the two is a proxy. */
  const startBehind = async (port: number, settings: (url: (from: string) => string) => object) => {
    const proxy = await TcpProxy.start(port);
    proxies.push(proxy);
    const redirect = (from: string) => {
      const url = new URL(from);
      url.port = String(proxy.port);
      return url.href;
    };
    const common = { ...options, database: database.options, redis: { url: server.url, use: { prefix } } };
    const node = await TestNode.start({ ...common, ...settings(redirect) });
    nodes.push(node);
    return { node, proxy };
  };
  const start = async (count: number) => {
    nodes = await startNodes(count, {
      ...options,
      database: database.options,
      redis: { url: server.url, use: { prefix } },
    });
  };
  /** Not all at once: each is to be done within its budget, also on a busy machine. */
  const logIn = async (users: readonly string[]): Promise<Login[]> => {
    const logins: Login[] = [];
    for (let from = 0; from < users.length; from += 50) {
      const some = users.slice(from, from + 50);
      const outcomes = await spread(
        nodes,
        some.map((user): Call => ['login', user, {}]),
      );
      for (const [index, { value, error }] of (outcomes as LoginOutcome[]).entries()) {
        expect(error).toBeUndefined();
        logins.push({ user: some[index]!, token: value!.accessToken, id: value!.session.id });
      }
    }
    return logins;
  };
  const verify = async (node: TestNode, token: string) => (await node.call('verify', token)) as VerifyOutcome;
  const statuses = async (token: string) =>
    (await Promise.all(nodes.map((node) => verify(node, token)))).map(({ value }) => value?.status);
  /** Verifies on every node until each goes by what it remembers, as far as Redis can tell: it is asked no more. */
  const fillMemories = async (logins: readonly Login[]) => {
    const reads = async () =>
      Number(/cmdstat_get:calls=(\d+)/.exec(String(await redisCommand(server.port, 'INFO', 'commandstats')))?.[1] ?? 0);
    await until(async () => {
      const before = await reads();
      const answers = await Promise.all(logins.map(({ token }) => statuses(token)));
      expect(new Set(answers.flat())).toEqual(new Set(['VALID']));
      const keys = (await redisCommand(server.port, 'KEYS', `${prefix}*`)) as string[];
      return keys.length >= logins.length && (await reads()) === before;
    });
  };

  beforeAll(async () => {
    [database, server] = await Promise.all([kindsOf('postgres')[0]!.create(), startRedis()]);
  });
  beforeEach(() => {
    prefix = redisPrefix();
  });
  afterEach(async () => {
    for (const proxy of proxies) proxy.release();
    await Promise.all(nodes.splice(0).map((node) => node.close()));
    await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
  });
  afterAll(async () => {
    await server.stop();
    await database.drop();
  });

  it(`G6: ${ENDS} ends under load: not one node accepts a token once its end was acknowledged`, async () => {
    await start(4);
    const logins = await logIn(Array.from({ length: ENDS }, (_, index) => `user-${index}`));
    await fillMemories(logins.slice(0, 20));
    let isOver = false;
    let verified = 0;
    const load = nodes.map(async (node, index) => {
      for (let round = index; !isOver; round++) {
        // Those that are about to be ended among them.
        const calls = Array.from({ length: 20 }, (_, n): Call => [
          'verify',
          logins[(round * 7 + n * 11) % ENDS]!.token,
        ]);
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
        const { error } = await nodes[n % 4]!.call(...KINDS[n % KINDS.length]!(login, n));
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

  it('a node that is stopped holds an end up until it may go by its memory no more, and then accepts nothing old', async () => {
    await start(3);
    const { node: stopped, proxy } = await startBehind(server.port, (url) => ({
      redis: { url: url(server.url), use: { prefix } },
    }));
    const logins = await logIn(['stopped-0', 'stopped-1', 'stopped-2']);
    await fillMemories(logins);
    const [one, two, three] = nodes as [TestNode, TestNode, TestNode];
    stopped.process.kill('SIGSTOP');
    // No message tells it what it has missed when it wakes.
    proxy.hold();
    let woken: Promise<VerifyOutcome[]>;
    try {
      const began = performance.now();
      const outcomes = await Promise.all([
        one.call('kickUser', 'stopped-0', { by: 'root' }),
        two.call('logout', logins[1]!.token),
        three.call('login', 'stopped-2', {}),
      ]);
      const took = performance.now() - began;
      expect(outcomes.map(({ error }) => error)).toEqual([undefined, undefined, undefined]);
      // It was waited for, as it had written its row shortly before.
      expect(took).toBeGreaterThan(D / 4);
      expect(took).toBeLessThan(D + SLACK);
      // These are there when it wakes.
      woken = Promise.all(logins.map(({ token }) => verify(stopped, token)));
    } finally {
      stopped.process.kill('SIGCONT');
    }
    expect((await woken).map(({ value }) => value?.status)).toEqual(['INVALID', 'INVALID', 'INVALID']);
    proxy.release();
    for (const { token } of logins) expect(new Set(await statuses(token))).toEqual(new Set(['INVALID']));
  });

  it('a node that messages do not reach holds an end up for D at most, and accepts nothing old', async () => {
    await start(2);
    const { node, proxy } = await startBehind(server.port, (url) => ({
      redis: { url: url(server.url), use: { prefix } },
    }));
    const logins = await logIn(['deaf-0', 'deaf-1', 'deaf-2']);
    await fillMemories(logins);
    proxy.hold();
    for (const [index, login] of logins.entries()) {
      const began = performance.now();
      const { error } = await nodes[index % 2]!.call('kickUser', login.user, { by: 'root' });
      expect([error, performance.now() - began < D + SLACK]).toEqual([undefined, true]);
      expect(await statuses(login.token)).toEqual(['INVALID', 'INVALID', 'INVALID']);
    }
    // Nor does it hold up its own.
    const [own] = await logIn(['deaf-3']);
    const began = performance.now();
    expect((await node.call('logout', own!.token)).error).toBeUndefined();
    expect(performance.now() - began).toBeLessThan(D + SLACK);
    expect(await statuses(own!.token)).toEqual(['INVALID', 'INVALID', 'INVALID']);
    proxy.release();
    const [last] = await logIn(['deaf-4']);
    await fillMemories([last!]);
    expect((await nodes[0]!.call('logout', last!.token)).error).toBeUndefined();
    expect(await statuses(last!.token)).toEqual(['INVALID', 'INVALID', 'INVALID']);
  });

  it('a slow reply of the database that is older than an end serves nothing that began after it', async () => {
    await start(2);
    const { url } = database.options as DataSourceOptions & { readonly url: string };
    const { node, proxy } = await startBehind(Number(new URL(url).port), (redirect) => ({
      database: { type: 'postgres', url: redirect(url) },
    }));
    let oldReplies = 0;
    for (let round = 0; round < 10; round++) {
      const [login] = await logIn([`slow-${round}`]);
      // Nobody remembers it: the first request has to ask.
      await redisCommand(server.port, 'FLUSHALL');
      proxy.holdReplies();
      const held = proxy.waiting;
      const before = verify(node, login!.token);
      await until(() => proxy.waiting > held + 200);
      expect((await nodes[0]!.call('kickUser', login!.user, { by: 'root' })).error).toBeUndefined();
      const after = Array.from({ length: 3 }, () => verify(node, login!.token));
      const others = nodes.slice(0, 2).map((other) => verify(other, login!.token));
      expect((await Promise.all(others)).map(({ value }) => value?.status)).toEqual(['INVALID', 'INVALID']);
      proxy.release();
      const answers = (await Promise.all(after)).map(({ value }) => value?.status);
      expect(answers).toEqual(['INVALID', 'INVALID', 'INVALID']);
      if ((await before).value?.status === 'VALID') oldReplies++;
      // What came so late was not kept either.
      expect(await statuses(login!.token)).toEqual(['INVALID', 'INVALID', 'INVALID']);
    }
    // The first request did get what the database had said before the end.
    expect(oldReplies).toBeGreaterThan(0);
  });
});
