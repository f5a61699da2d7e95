import { afterEach, describe, expect, it, jest } from '@jest/globals';
import type { SessionModuleOptions } from 'nestjs-latchkey';
import { sessionMetrics } from 'nestjs-latchkey/metrics';
import { type OpenMetricsContentType, Registry, register } from 'prom-client';
import { SessionRuntime } from 'lib/session-runtime.js';
import { sqliteOptions } from '../support/databases.js';
import { type Services, type Sessions, startSessions } from '../support/sessions.js';
import { valueOf, verifications } from './metric-values.js';

describe('the metrics of a module', () => {
  const opened: Sessions[] = [];
  const open = async (
    options: Partial<SessionModuleOptions> = {},
    ...providers: ReturnType<typeof sessionMetrics>[]
  ) => {
    const given = { database: sqliteOptions(':memory:'), redis: undefined, ...options };
    const sessions = await startSessions(given, providers);
    opened.push(sessions);
    return { ...sessions, runtime: sessions.context.get(SessionRuntime, { strict: false }) };
  };
  afterEach(async () => {
    jest.restoreAllMocks();
    await Promise.all(opened.splice(0).map((sessions) => sessions.close()));
  });

  const NAMES = [
    ...'session_activity_dropped_total session_change_log_lag_seconds session_end_seconds'.split(' '),
    ...'session_journal_dropped_total session_live_sessions session_near_cache_entries session_near_cache_on'.split(
      ' ',
    ),
    'session_oldest_mass_end_seconds',
    'session_oldest_write_seconds',
    ...'session_redis_state session_rewritten_ends_total session_silent_nodes session_verification_seconds session_verifications_total'.split(
      ' ',
    ),
  ];
  const namesIn = (registry: Registry) =>
    registry
      .getMetricsAsArray()
      .map(({ name }) => name)
      .sort();

  it('are in the registry of prom-client by default, until the shutdown', async () => {
    const { runtime, ...module } = await open({}, sessionMetrics());
    expect(namesIn(register)).toEqual(NAMES);
    expect(await valueOf(register, 'session_redis_state', { state: 'off' })).toBe(1);
    expect(runtime.stats.observer).not.toBeNull();
    await module.close();
    opened.pop();
    expect(namesIn(register)).toEqual([]);
    expect([runtime.stats.observer, runtime.coherence.observer]).toEqual([null, null]);
  });

  it('measure nothing where they are not used', async () => {
    const { runtime } = await open();
    expect([runtime.stats.observer, runtime.coherence.observer]).toEqual([null, null]);
    expect(namesIn(register)).toEqual([]);
  });

  it('of several realms share a registry, and each goes with its module', async () => {
    const registry = new Registry();
    const users = await open({}, sessionMetrics({ registry }));
    const staff = await open({ realm: 'staff' }, sessionMetrics({ registry }));
    const verify = async ({ tokens, operators }: Services, times: number) => {
      const { accessToken, session } = await tokens.login('alice');
      for (let use = 0; use < times; use++) await tokens.verify(accessToken, { strict: true });
      await operators.kick(session.id, { by: 'root' });
    };
    await verify(users, 1);
    await verify(staff, 2);
    const labels = { source: 'database', status: 'VALID' };
    const count = (name: string, realm: string) => valueOf(registry, name, { ...labels, realm });
    expect(await count('session_verifications_total', 'users')).toBe(1);
    expect(await count('session_verifications_total', 'staff')).toBe(2);
    expect(await valueOf(registry, 'session_verification_seconds_count', { realm: 'staff' })).toBe(2);
    expect(await valueOf(registry, 'session_end_seconds_count', { realm: 'staff' })).toBe(1);

    await users.close();
    expect(await registry.metrics()).not.toContain('realm="users"');
    expect(await count('session_verifications_total', 'staff')).toBe(2);
    await staff.close();
    opened.length = 0;
    expect(namesIn(registry)).toEqual([]);
  });

  it('refuse a second module of the same realm, and a second use for the same module', async () => {
    const registry = new Registry();
    await open({}, sessionMetrics({ registry }));
    await expect(open({}, sessionMetrics({ registry }))).rejects.toThrow(
      'Metrics of the realm "users" are registered already',
    );
    expect(await valueOf(registry, 'session_redis_state', { state: 'off' })).toBe(1);
    const again = { ...sessionMetrics({ registry: new Registry() }), provide: 'again' };
    await expect(open({}, sessionMetrics({ registry: new Registry() }), again)).rejects.toThrow(
      'realm "users" are registered already',
    );
    await open({}, sessionMetrics({ registry: new Registry() }));
  });

  it('count live sessions once in ten seconds, and leave the number out where nobody knows it', async () => {
    const registry = new Registry();
    const { tokens, runtime } = await open({ policy: undefined }, sessionMetrics({ registry }));
    const counted = jest.spyOn(runtime.online, 'count');
    await tokens.login('alice');
    await tokens.login('bob');
    const live = () => valueOf(registry, 'session_live_sessions');
    expect(await Promise.all([live(), live()])).toEqual([2, 2]);
    await tokens.login('carol');
    expect(await live()).toBe(2);
    expect(counted).toHaveBeenCalledTimes(1);

    const now = performance.now.bind(performance);
    jest.spyOn(performance, 'now').mockImplementation(() => now() + 10_000);
    expect(await live()).toBe(3);
    expect(counted).toHaveBeenCalledTimes(2);
    jest.spyOn(performance, 'now').mockImplementation(() => now() + 20_000);
    counted.mockRejectedValueOnce(new Error('no'));
    expect(await live()).toBeUndefined();
  });

  it('work in the format of OpenMetrics, after the registry was cleared, and after its metrics were reset', async () => {
    const registry = new Registry<OpenMetricsContentType>();
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    const first = await open({}, sessionMetrics({ registry }));
    const { accessToken } = await first.tokens.login('alice');
    await first.tokens.verify(accessToken);
    for (let scrape = 0; scrape < 2; scrape++) {
      expect(await verifications(registry, 'database', 'VALID')).toBe(1);
      registry.resetMetrics();
    }
    registry.clear();
    await open({}, sessionMetrics({ registry }));
    expect(await verifications(registry, 'database', 'VALID')).toBe(0);
    await first.close();
    opened.shift();
    expect(await verifications(registry, 'database', 'VALID')).toBe(0);
  });
});
