import { expect, it } from '@jest/globals';
import { Controller, Get } from '@nestjs/common';
import { HealthCheck, HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { SessionModule } from 'nestjs-latchkey';
import { redis } from 'nestjs-latchkey/redis';
import { SessionHealthIndicator } from 'nestjs-latchkey/terminus';
import { useStage } from '../faults/stage.js';
import { adapters, startApp } from '../nest/http-app.js';
import { throughPort } from '../support/databases.js';
import { SECRET } from '../support/sessions.js';
import { until } from '../support/until.js';
import { TIMING } from './timing.js';

@Controller('health')
class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly sessions: SessionHealthIndicator,
  ) {}

  @Get()
  @HealthCheck()
  check() {
    return this.health.check([() => this.sessions.isHealthy(), () => this.sessions.isHealthy('logins')]);
  }
}

/** Longer than the budget of a verification, give or take what a busy machine adds. */
const IN_TIME_MS = 1000;

const stage = useStage();

it('the health indicator of terminus is up while tokens can be verified, be it from memory, and down when they cannot', async () => {
  const database = await stage.databaseProxy();
  const session = SessionModule.forRoot({
    secret: SECRET,
    database: throughPort(stage.database, database.port),
    redis: redis(stage.server.url),
    timing: TIMING,
  });
  const app = await startApp(adapters[0]!, {
    imports: [session, TerminusModule.forRoot({ logger: false })],
    controllers: [HealthController],
    providers: [SessionHealthIndicator],
  });
  stage.atEnd(() => app.close());
  const answers = (expected: { status: number; json: object }) =>
    until(async () => {
      const { status, json } = await app.send({ path: '/health' });
      return status === expected.status && containsAll(json, expected.json);
    });
  const sessions = (status: string, of: string, nearCache: string) => {
    const result = { status, database: of, redis: 'up', nearCache };
    return { sessions: result, logins: result };
  };
  await answers({ status: 200, json: { status: 'ok', info: sessions('up', 'up', 'on') } });
  database.hold();
  const startedAt = performance.now();
  expect((await app.send({ path: '/health' })).json).toMatchObject({ info: { sessions: { database: 'down' } } });
  expect(performance.now() - startedAt).toBeLessThan(IN_TIME_MS);
  await answers({ status: 200, json: { status: 'ok', info: sessions('up', 'down', 'on') } });
  await answers({ status: 503, json: { status: 'error', error: sessions('down', 'down', 'off') } });
  database.cut();
  database.release();
  await answers({ status: 200, json: { status: 'ok', info: sessions('up', 'up', 'on') } });
  await stage.server.kill();
  await answers({ status: 200, json: { info: { sessions: { status: 'up', redis: 'down', silentNodes: 0 } } } });
});

function containsAll(value: unknown, expected: object): boolean {
  return Object.entries(expected).every(([name, part]) => {
    const own = (value as Record<string, unknown> | undefined)?.[name];
    return typeof part === 'object' ? containsAll(own, part as object) : own === part;
  });
}
