import { describe, expect, it } from '@jest/globals';
import { type LoginResult, multiDevice } from 'nestjs-latchkey';
import { type Answer, type SampleApp, SampleApps } from '../sample-app/sample-app.js';
import { timed, until } from '../support/until.js';
import { SLACK_MS } from './budgets.js';
import { type FaultNode, TIMING, untilRemembered, verdictsOf, KICK, useStage } from './stage.js';

const BUDGET_MS = 2000;
const OPTIONS = { policy: multiDevice(), timing: { ...TIMING, endBudget: '2s' } } as const;

describe('F36: a node that is shut down', () => {
  const stage = useStage();

  const open = async () => {
    const nodes = (await stage.openAll(2, OPTIONS)) as [FaultNode, FaultNode];
    const logins: LoginResult[] = [];
    for (let index = 0; index < 20; index++) logins.push(await nodes[0].tokens.login(`user-${index}`));
    for (const login of logins) await untilRemembered(nodes, login);
    return { nodes, logins };
  };
  const codeOf = (error: { code: string }) => error.code;

  it('while it ends sessions: what it acknowledged is true, the rest can be repeated, nothing stays open', async () => {
    const { nodes, logins } = await open();
    const [leaving, staying] = nodes;
    const witness = stage.witness([staying]);
    witness.watch(...logins);
    const kicks = logins.map(async (login) => {
      const kick = () => leaving.operators.kick(login.session.id, KICK);
      return { login, code: await witness.ending([login], kick).then(() => null, codeOf) };
    });
    await Promise.race(kicks);
    await leaving.close();
    const outcomes = await Promise.all(kicks);
    const acknowledged = outcomes.filter(({ code }) => code === null);
    expect(acknowledged.length).toBeGreaterThan(0);
    for (const { login } of acknowledged) expect(await verdictsOf([staying], login)).toEqual(['SESSION_KICKED']);
    const others = outcomes.filter(({ code }) => code !== null);
    expect(others.filter(({ code }) => !['CHANGE_PENDING', 'SESSION_STORE_UNAVAILABLE'].includes(code!))).toEqual([]);
    for (const { login } of others) {
      await witness.ending([login], () => staying.operators.kick(login.session.id, KICK));
      expect(await verdictsOf([staying], login)).toEqual(['SESSION_KICKED']);
    }
    await until(() => leaving.redis.open === 0 && leaving.database.open === 0);
    const inspector = await stage.database.connect();
    expect(await inspector.query('SELECT id FROM latchkey_node')).toHaveLength(1);
    await witness.close();
  });

  it.each([
    ['Redis', ({ redis }: FaultNode) => redis.hold()],
    ['the database', ({ database }: FaultNode) => database.hold()],
  ])('while %s hangs: it ends all the same', async (_what, hang) => {
    const { nodes, logins } = await open();
    const [leaving, staying] = nodes;
    hang(leaving);
    const end = await timed(leaving.close());
    // What it cannot write, nor sign off, takes a budget each.
    expect(end.ms).toBeLessThan(2 * BUDGET_MS + SLACK_MS);
    // Nobody waits for it longer than for a node that is silent.
    await staying.operators.kick(logins[0]!.session.id, KICK);
    expect(await verdictsOf([staying], logins[0]!)).toEqual(['SESSION_KICKED']);
  });

  it('by SIGTERM under load: requests get an answer or no connection, acknowledged ends are true, and it exits', async () => {
    const apps = new SampleApps();
    stage.atEnd(() => apps.close());
    const variables = {
      DATABASE_URL: stage.database.url,
      REDIS_URL: stage.server.url,
      SESSION_SECRET: 'the secret of two servers of which one ends',
      SESSION_POLICY: 'multi',
    };
    const [leaving, staying] = (await Promise.all([apps.start(variables), apps.start(variables)])) as [
      SampleApp,
      SampleApp,
    ];
    for (const app of [leaving, staying]) await until(async () => (await app.get('/health')).body.nearCache === 'on');
    const admin = (await staying.login('admin')).accessToken;
    const logins = await Promise.all(Array.from({ length: 20 }, () => staying.login('alice')));
    for (const { accessToken } of logins) {
      for (const app of [leaving, staying]) expect((await app.get('/me', accessToken)).status).toBe(200);
    }
    const statuses: number[] = [];
    const noted = async (request: Promise<Answer>) => {
      const answer = await request.catch(() => null);
      if (answer) statuses.push(answer.status);
      return answer;
    };
    let isGone = false;
    const load = Promise.all(
      Array.from({ length: 10 }, async () => {
        while (!isGone) await noted(leaving.get('/me', admin));
      }),
    );
    const kicks = logins.map(({ sessionId }) => noted(leaving.delete(`/admin/sessions/${sessionId}`, admin)));
    await Promise.race(kicks);
    expect(await leaving.end('SIGTERM')).toBe(0);
    isGone = true;
    await load;
    expect([...new Set(statuses)]).toEqual([200]);
    const outcomes = await Promise.all(kicks);
    expect(outcomes.filter((answer) => answer?.body.ended === 1).length).toBeGreaterThan(0);
    for (const [index, answer] of outcomes.entries()) {
      const { status } = await staying.get('/me', logins[index]!.accessToken);
      if (answer) expect(status).toBe(401);
      else expect([200, 401]).toContain(status);
    }
    const clients = String(await stage.redisCommand('CLIENT', 'LIST', 'TYPE', 'pubsub'))
      .trim()
      .split('\n');
    expect(clients).toHaveLength(1);
    expect(leaving.stderr).toBe('');
  });
});
