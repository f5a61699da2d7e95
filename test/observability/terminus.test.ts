import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { Controller, Get } from '@nestjs/common';
import { HealthCheck, HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { SessionModule, type SessionModuleOptions } from 'nestjs-latchkey';
import { SessionHealthIndicator } from 'nestjs-latchkey/terminus';
import { type HttpApp, adapters, startApp } from '../nest/http-app.js';
import { SECRET } from '../support/sessions.js';
import { until } from '../support/until.js';
import { Faults } from './node-with-faults.js';

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

describe('the health indicator of terminus', () => {
  const opened: HttpApp[] = [];
  let faults: Faults;
  beforeEach(async () => {
    faults = await Faults.start();
  });
  const open = async (options: Partial<SessionModuleOptions> = {}) => {
    const session = SessionModule.forRoot({ secret: SECRET, ...faults.options(options) });
    const app = await startApp(adapters[0]!, {
      imports: [session, TerminusModule.forRoot({ logger: false })],
      controllers: [HealthController],
      providers: [SessionHealthIndicator],
    });
    opened.push(app);
    const answers = (expected: { status: number; json: object }) =>
      until(async () => {
        const { status, json } = await app.send({ path: '/health' });
        return status === expected.status && containsAll(json, expected.json);
      });
    return { answers };
  };
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((app) => app.close()));
    await faults.close();
  });

  const sessions = (status: string, database: string, nearCache: string) => {
    const result = { status, database, redis: 'up', nearCache };
    return { sessions: result, logins: result };
  };

  it('is up while tokens can be verified, be it from memory, and down when they cannot', async () => {
    const { answers } = await open();
    await answers({ status: 200, json: { status: 'ok', info: sessions('up', 'up', 'on') } });
    faults.databaseProxy.hold();
    await answers({ status: 200, json: { status: 'ok', info: sessions('up', 'down', 'on') } });
    await answers({ status: 503, json: { status: 'error', error: sessions('down', 'down', 'off') } });
    faults.databaseProxy.cut();
    faults.databaseProxy.release();
    await answers({ status: 200, json: { status: 'ok', info: sessions('up', 'up', 'on') } });
  });

  it('stays up without Redis', async () => {
    const { answers } = await open();
    await answers({ status: 200, json: { info: { sessions: { status: 'up', redis: 'up' } } } });
    await faults.killRedis();
    await answers({ status: 200, json: { info: { sessions: { status: 'up', redis: 'down', silentNodes: 0 } } } });
  });
});

function containsAll(value: unknown, expected: object): boolean {
  return Object.entries(expected).every(([name, part]) => {
    const own = (value as Record<string, unknown> | undefined)?.[name];
    return typeof part === 'object' ? containsAll(own, part as object) : own === part;
  });
}
