import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Socket } from 'node:net';
import type { DataSource } from 'typeorm';
import type { LoginResult, RefreshResult, Verification } from 'nestjs-latchkey';
import { processKinds } from '../support/databases.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { type Call, type NodeOptions, type Outcome, TestNode, spread, startNodes } from '../support/nodes.js';
import { useDatabase } from '../support/use-database.js';

const START = 1_800_000_000_000;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const SLIDING = { name: 'sliding', options: { ttl: '2h', renewWithin: '5m', grace: '30s', maxAge: '90d' } } as const;
const REFRESH = { name: 'accessAndRefresh', options: { access: '30m', refresh: '30d', grace: '30s' } } as const;
const STRICT = { name: 'accessAndRefresh', options: { grace: '0s' } } as const;
const K1 = 'first secret of the rolling deploy, of 32 bytes';
const K2 = 'second secret of the rolling deploy, of 32 bytes';

interface Reply {
  readonly status: number;
  readonly renewed: string | undefined;
  readonly body: { readonly errorCode?: string } & Partial<RefreshResult>;
}

/** One HTTP exchange on a connection of its own; null if the reply was lost. */
async function exchange(port: number, path: string, headers: object, body?: object): Promise<Reply | null> {
  const request = {
    headers: { ...headers, connection: 'close' },
    ...(body && { method: 'POST', body: JSON.stringify(body) }),
  };
  try {
    const reply = await fetch(`http://127.0.0.1:${port}${path}`, request);
    const renewed = reply.headers.get('x-renewed-token') ?? undefined;
    return { status: reply.status, renewed, body: (await reply.json()) as Reply['body'] };
  } catch {
    return null;
  }
}

const useToken = (port: number, token: string) => exchange(port, '/me', { authorization: `Bearer ${token}` });
const refreshAt = (port: number, refreshToken: string) =>
  exchange(port, '/refresh', { 'content-type': 'application/json' }, { refreshToken });

describe.each(processKinds)('the life of a token on four processes and $name', (kind) => {
  const database = useDatabase(kind, { isShared: true });
  let inspector: DataSource;
  let nodes: TestNode[] = [];
  const proxies: TcpProxy[] = [];
  let now = START;
  let lost = 0;

  const start = async (options: Partial<NodeOptions>, count = 4) => {
    now = options.clockAt ?? START;
    const policy = { name: 'multiDevice' } as const;
    nodes = await startNodes(count, { database: database.options, policy, clockAt: START, ...options });
  };
  const advance = (ms: number) => {
    now += ms;
    return Promise.all(nodes.map((node) => node.advance(ms)));
  };
  const login = async (user: string) => (await nodes[0]!.call<LoginResult>('login', user, {})).value!;
  const countEvents = async (type: string, sessionId: string) =>
    Number(
      (
        await inspector.query<{ n: string }[]>(
          `SELECT COUNT(*) AS n FROM latchkey_event WHERE type = '${type}' AND session_id = '${sessionId}'`,
        )
      )[0]!.n,
    );

  /** The token pairs of a session that are not the current one, as they are stored. */
  const superseded = async (sessionId: string) => {
    const rows = await inspector.query<{ superseded: unknown }[]>(
      `SELECT superseded FROM latchkey_session WHERE id = '${sessionId}'`,
    );
    const [{ superseded: stored }] = rows as [{ superseded: unknown }];
    return (typeof stored === 'string' ? JSON.parse(stored) : stored) as { readonly graceUntil: number | null }[];
  };

  /** Puts proxies in front of the nodes that let through one reply of so many, and every request. */
  const loseReplies = async (ofEach: number) => {
    let turn = 0;
    lost = 0;
    for (const { port } of nodes) {
      const edit = () => {
        let isLost: boolean | undefined;
        const reply = (chunk: Buffer, client: Socket) => {
          isLost ??= ++turn % ofEach !== 0;
          if (!isLost) return chunk;
          lost++;
          client.destroy();
          return Buffer.alloc(0);
        };
        return { reply };
      };
      proxies.push(await TcpProxy.start(port, edit));
    }
  };

  beforeAll(async () => {
    inspector = await database.connect();
  });

  afterEach(async () => {
    await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
    await Promise.all(nodes.splice(0).map((node) => node.close()));
  });

  it('G5: 200 parallel requests in the renewal window: one renewal, one new token, no 401', async () => {
    await start({ tokens: SLIDING, http: true });
    const { accessToken, session } = await login('parallel');
    await login('bystander');
    await advance(2 * HOUR - 4 * MINUTE);
    const replies = await Promise.all(
      Array.from({ length: 200 }, (_, index) => useToken(nodes[index % 4]!.port, accessToken)),
    );
    expect(new Set(replies.map((reply) => reply?.status))).toEqual(new Set([200]));
    // What a use cannot write down in time, the next one does that is a second later: its request is answered all the same.
    while (!replies.some((reply) => reply?.renewed)) {
      await advance(1000);
      replies.push(await useToken(nodes[1]!.port, accessToken));
      expect(replies.at(-1)?.status).toBe(200);
    }
    const renewed = new Set(replies.flatMap((reply) => reply?.renewed ?? []));
    expect(renewed.size).toBe(1);
    expect(await countEvents('TOKEN_RENEWED', session.id)).toBe(1);

    const [successor] = [...renewed] as [string];
    await advance(MINUTE);
    let graceUntil: number | null = null;
    while (graceUntil === null) {
      await advance(1000);
      expect((await useToken(nodes[1]!.port, successor))?.status).toBe(200);
      graceUntil = (await superseded(session.id))[0]!.graceUntil;
    }
    // The other nodes hear of the grace well within it, but time jumps here. An end is done when every node has read the changes.
    expect((await nodes[1]!.call('kickUser', 'bystander', { by: 'test' })).error).toBeUndefined();
    await advance(graceUntil - now - 1);
    const late = await Promise.all(nodes.map(({ port }) => useToken(port, accessToken)));
    expect(late.map((reply) => [reply?.status, reply?.renewed])).toEqual(nodes.map(() => [200, successor]));
    await advance(1);
    for (const { port } of nodes) {
      expect((await useToken(port, accessToken))?.body.errorCode).toBe('TOKEN_EXPIRED');
      expect((await useToken(port, successor))?.status).toBe(200);
    }
  });

  it('G5: lost replies log no client out that goes on with the token it has', async () => {
    await start({ tokens: SLIDING, http: true });
    await loseReplies(3);
    const clients = await Promise.all(['a', 'b', 'c', 'd'].map((name) => login(`lossy-${name}`)));
    let tokens = clients.map(({ accessToken }) => accessToken);
    for (let round = 0; round < 10; round++) {
      await advance(2 * HOUR - 4 * MINUTE);
      let waiting = tokens.map((_, index) => index);
      // As clients do, each goes on with what it has until a reply arrives.
      for (let attempt = 0; waiting.length > 0; attempt++) {
        const replies = await Promise.all(
          waiting.map((client) => useToken(proxies[(client + attempt) % 4]!.port, tokens[client]!)),
        );
        expect(replies.filter((reply) => reply && reply.status !== 200)).toEqual([]);
        tokens = tokens.map((token, client) => replies[waiting.indexOf(client)]?.renewed ?? token);
        waiting = waiting.filter((_, index) => !replies[index]?.renewed);
      }
    }
    const sessions = clients.map(({ session }) => countEvents('TOKEN_RENEWED', session.id));
    expect(await Promise.all(sessions)).toEqual(clients.map(() => 10));
    expect(lost).toBeGreaterThan(50);
  });

  it('G5, A79: 100 parallel refreshes of one parent: one distinct pair, one rotation', async () => {
    await start({ tokens: REFRESH });
    const { refreshToken, session } = await login('refresher');
    for (let round = 0, parent = refreshToken!; round < 5; round++) {
      const outcomes = (await spread(
        nodes,
        Array.from({ length: 100 }, (): Call => ['refresh', parent]),
      )) as Outcome<RefreshResult>[];
      expect(outcomes.filter(({ error }) => error)).toEqual([]);
      const pairs = new Set(outcomes.map(({ value }) => `${value!.accessToken} ${value!.refreshToken}`));
      expect(pairs.size).toBe(1);
      parent = outcomes[0]!.value!.refreshToken!;
      expect(
        (await nodes[round % 4]!.call<Verification>('verify', outcomes[0]!.value!.accessToken)).value!.status,
      ).toBe('VALID');
    }
    expect(await countEvents('TOKEN_RENEWED', session.id)).toBe(5);
  });

  it('G5: lost replies of refreshes log no client out, and every retry gets the identical pair', async () => {
    await start({ tokens: REFRESH, http: true });
    await loseReplies(4);
    let { refreshToken } = await login('lossy-refresher');
    for (let round = 0; round < 15; round++) {
      await advance(HOUR);
      const seen = new Set<string>();
      let attempt = 0;
      while (seen.size === 0 || attempt < 10) {
        const replies = await Promise.all(
          [0, 1].map((tab) => refreshAt(proxies[(round + attempt + tab) % 4]!.port, refreshToken!)),
        );
        for (const reply of replies) {
          if (!reply) continue;
          expect([reply.status, reply.body.errorCode]).toEqual([200, undefined]);
          seen.add(reply.body.refreshToken!);
        }
        attempt++;
      }
      expect(seen.size).toBe(1);
      [refreshToken] = [...seen];
    }
  });

  it('A81: with grace 0, exactly one of 100 parallel refreshes succeeds, and the reuse ends the session', async () => {
    await start({ tokens: STRICT });
    const { refreshToken, session } = await login('strict');
    const outcomes = (await spread(
      nodes,
      Array.from({ length: 100 }, (): Call => ['refresh', refreshToken]),
    )) as Outcome<RefreshResult>[];
    expect(outcomes.filter(({ value }) => value)).toHaveLength(1);
    expect(new Set(outcomes.flatMap(({ error }) => error?.code ?? []))).toEqual(new Set(['REFRESH_REUSED']));
    const { value } = outcomes.find((outcome) => outcome.value)!;
    for (const node of nodes) {
      expect((await node.call<Verification>('verify', value!.accessToken)).value).toMatchObject({
        status: 'INVALID',
        reason: 'REFRESH_REUSED',
      });
    }
    expect(await countEvents('REFRESH_REUSED', session.id)).toBe(1);
  });

  it('A84: a used refresh token is remembered over a restart of all nodes, and both addresses are recorded', async () => {
    await start({ tokens: REFRESH }, 2);
    const { refreshToken, session } = await login('restarted');
    const next = await nodes[0]!.call<RefreshResult>('refresh', refreshToken, { ip: '192.0.2.1' });
    await nodes[1]!.call('verify', next.value!.accessToken);
    await Promise.all(nodes.splice(0).map((node) => node.kill()));

    await start({ tokens: REFRESH, clockAt: START + MINUTE }, 2);
    const reused = await nodes[0]!.call('refresh', refreshToken, { ip: '198.51.100.7' });
    expect(reused.error?.code).toBe('REFRESH_REUSED');
    for (const node of nodes) {
      const verdict = await node.call<Verification>('verify', next.value!.accessToken);
      expect(verdict.value).toMatchObject({ status: 'INVALID', reason: 'REFRESH_REUSED' });
      expect((await node.call('refresh', next.value!.refreshToken)).error?.code).toBe('REFRESH_REUSED');
    }
    const [event] = await inspector.query<{ ip: string; detail: string }[]>(
      `SELECT ip, detail FROM latchkey_event WHERE type = 'REFRESH_REUSED' AND session_id = '${session.id}'`,
    );
    expect(event!.ip).toBe('198.51.100.7');
    expect(JSON.parse(event!.detail)).toMatchObject({ renewedFrom: '192.0.2.1' });
  });

  it('a rolling deploy of a new secret: no good token refused, one successor for each parent, then the old one is gone', async () => {
    const plan = [[K1], [K1, K2], [K2, K1], [K2]];
    await start({ tokens: REFRESH, secret: plan[0] }, 3);
    const forgotten = await login('never-refreshed');
    const clients = await Promise.all(Array.from({ length: 6 }, (_, index) => login(`rolling-${index}`)));
    let tokens = clients.map(({ refreshToken }) => refreshToken!);
    let time = START;

    for (const secret of plan.slice(1)) {
      for (let replaced = 0; replaced < 3; replaced++) {
        await nodes[replaced]!.close();
        time += 10 * MINUTE;
        await Promise.all(nodes.filter((_, index) => index !== replaced).map((node) => node.advance(10 * MINUTE)));
        const policy = { name: 'multiDevice' } as const;
        const options = { database: database.options, policy, clockAt: time, tokens: REFRESH, secret };
        nodes[replaced] = await TestNode.start(options);
        const refreshed = await Promise.all(
          tokens.map(async (token) => {
            const answers = (await spread(
              nodes,
              [0, 1, 2, 3, 4, 5].map((): Call => ['refresh', token]),
            )) as Outcome<RefreshResult>[];
            expect(answers.filter(({ error }) => error)).toEqual([]);
            const pairs = new Set(answers.map(({ value }) => `${value!.accessToken} ${value!.refreshToken}`));
            expect(pairs.size).toBe(1);
            return answers[0]!.value!;
          }),
        );
        const verdicts = await Promise.all(
          refreshed.flatMap(({ accessToken }) => nodes.map((node) => node.call<Verification>('verify', accessToken))),
        );
        expect(verdicts.filter(({ value }) => value?.status !== 'VALID')).toEqual([]);
        tokens = refreshed.map(({ refreshToken }) => refreshToken!);
      }
    }
    for (const node of nodes) {
      expect((await node.call('refresh', forgotten.refreshToken)).error?.code).toBe('TOKEN_INVALID');
      expect((await node.call<Verification>('verify', forgotten.accessToken)).value).toMatchObject({
        reason: 'TOKEN_INVALID',
      });
    }
  });
});
