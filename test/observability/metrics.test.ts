import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ChangePendingError, multiDevice } from 'nestjs-latchkey';
import { sessionMetrics } from 'nestjs-latchkey/metrics';
import { Registry } from 'prom-client';
import { DataSource } from 'typeorm';
import { type FaultNodeOptions, useStage } from '../faults/stage.js';
import { until } from '../support/until.js';
import { valueOf, verifications } from './metric-values.js';
import { TIMING } from './timing.js';

/** Longer than a scrape may take, give or take what a busy machine adds. */
const IN_TIME_MS = 1800;
const FORGED = `ses_at_${'A'.repeat(96)}`;

describe('metrics, with a Redis and a database that can fail', () => {
  const stage = useStage();
  let registry: Registry;
  beforeEach(async () => (registry = new Registry()));

  const openOther = (options: FaultNodeOptions = {}) =>
    stage.open({ policy: multiDevice(), timing: TIMING, ...options });
  const open = async (options: FaultNodeOptions = {}) => {
    const node = await openOther({ ...options, providers: [sessionMetrics({ registry })] });
    await until(() => node.runtime.coherence.caching && node.runtime.shared?.messenger.isConnected !== false);
    return node;
  };
  const isNow = (name: string, value: number | undefined, labels = {}) =>
    until(async () => (await valueOf(registry, name, labels)) === value);

  it('counts where answers come from, and times those that had to ask', async () => {
    const other = await openOther();
    const { tokens, operators, database } = await open();
    await until(() => other.runtime.coherence.caching);
    const { accessToken: own, session } = await tokens.login('alice');
    for (let use = 0; use < 3; use++) await tokens.verify(own);
    expect(await verifications(registry, 'database', 'VALID')).toBe(1);
    expect(await verifications(registry, 'memory', 'VALID')).toBe(2);

    const { accessToken: foreign } = await other.tokens.login('bob');
    await other.tokens.verify(foreign);
    await until(async () => {
      await tokens.verify(foreign);
      return (await verifications(registry, 'shared', 'VALID')) === 1;
    });
    await tokens.verify(FORGED);
    expect(await verifications(registry, 'none', 'INVALID')).toBe(1);
    await operators.kick(session.id, { by: 'root' });
    await tokens.verify(own, { strict: true });
    expect(await verifications(registry, 'database', 'INVALID')).toBe(1);

    database.hold();
    await tokens.verify(foreign, { strict: true });
    expect(await verifications(registry, 'database', 'UNKNOWN')).toBe(1);
    const timed = (source: string) => valueOf(registry, 'session_verification_seconds_count', { source });
    expect(await timed('database')).toBe(
      (await verifications(registry, 'database', 'VALID'))! + 2, // INVALID and UNKNOWN
    );
    expect(await timed('shared')).toBe(1);
    expect([await timed('memory'), await timed('none')]).toEqual([undefined, undefined]);
    const seconds = await valueOf(registry, 'session_verification_seconds_sum', { source: 'database' });
    expect(seconds).toBeGreaterThan(0.45);
    expect(seconds).toBeLessThan(5);
  });

  it('follows Redis and the near cache', async () => {
    const { tokens } = await open();
    const { accessToken } = await tokens.login('alice');
    expect(await valueOf(registry, 'session_near_cache_entries')).toBe(0);
    await tokens.verify(accessToken);
    expect(await valueOf(registry, 'session_near_cache_entries')).toBe(1);
    await isNow('session_redis_state', 1, { state: 'up' });
    expect(await valueOf(registry, 'session_redis_state', { state: 'down' })).toBe(0);
    expect(await valueOf(registry, 'session_redis_state', { state: 'off' })).toBe(0);
    expect(await valueOf(registry, 'session_near_cache_on')).toBe(1);

    await openOther();
    await stage.server.kill();
    await isNow('session_redis_state', 1, { state: 'down' });
    expect(await valueOf(registry, 'session_redis_state', { state: 'up' })).toBe(0);
    await isNow('session_near_cache_on', 0);
    expect(await valueOf(registry, 'session_near_cache_entries')).toBe(0);
    await stage.restart();
    await isNow('session_redis_state', 1, { state: 'up' });
    await isNow('session_near_cache_on', 1);
  });

  it('times ends until they are confirmed, and tells which were not', async () => {
    const other = await openOther();
    const { tokens, operators } = await open({ timing: { ...TIMING, pollFreshness: '1s', endBudget: '500ms' } });
    await until(() => other.runtime.coherence.caching);
    const ends = (outcome: string) => valueOf(registry, 'session_end_seconds_count', { outcome });
    const { session } = await tokens.login('alice');
    expect(await ends('acknowledged')).toBeUndefined();
    await operators.kick(session.id, { by: 'root' });
    expect(await ends('acknowledged')).toBe(1);
    expect(await valueOf(registry, 'session_end_seconds_sum', { outcome: 'acknowledged' })).toBeLessThan(0.4);

    const { session: next } = await tokens.login('alice');
    const application = await new DataSource(stage.database.options).initialize();
    // A server that announced its cache and was never heard of again.
    await application.query(
      `INSERT INTO latchkey_node SELECT (jsonb_populate_record(known, '{"id":"${'ab'.repeat(16)}","process":null}')).*
        FROM latchkey_node AS known LIMIT 1`,
    );
    await application.destroy();
    await expect(operators.kick(next.id, { by: 'root' })).rejects.toThrow(ChangePendingError);
    expect(await ends('pending')).toBe(1);
    expect(await valueOf(registry, 'session_end_seconds_sum', { outcome: 'pending' })).toBeGreaterThan(0.3);
    // It does not renew its row, and after a while it is gone.
    await isNow('session_silent_nodes', 1);
    await isNow('session_silent_nodes', 0);
  });

  it('tells since when rows of a mass end wait to be closed', async () => {
    const { tokens, operators, runtime } = await open();
    const application = await new DataSource(stage.database.options).initialize();
    const oldest = () => valueOf(registry, 'session_oldest_mass_end_seconds');
    await isNow('session_oldest_mass_end_seconds', 0);
    const { session } = await tokens.login('alice');
    await operators.endEverything({ by: 'root' });
    await until(async () => {
      const [row] = (await application.query(`SELECT status FROM latchkey_session WHERE id = '${session.id}'`)) as [
        { status: string },
      ];
      return row.status === 'ended';
    });
    await runtime.closing.run();
    expect(await oldest()).toBe(0);
    // Of a node that holds it, and does not go on.
    const change = (assignments: string) => application.query(`UPDATE latchkey_mass_end SET ${assignments}`);
    await change(`closed_at = NULL, lease_until = ${Date.now() + 25_000}, at = at - 60000`);
    await runtime.closing.run();
    expect(await oldest()).toBeGreaterThanOrEqual(60);
    await change('lease_until = NULL');
    await runtime.closing.run();
    expect(await oldest()).toBe(0);
    await application.destroy();
  });

  it('follows a database that hangs, and holds up no scrape', async () => {
    const { tokens, runtime, database } = await open();
    await tokens.login('alice');
    expect(runtime.coherence.presence.pollAge).toBeLessThan(1000);
    database.hold();
    await until(() => runtime.coherence.presence.pollAge > 2000);
    const counted = jest.spyOn(runtime.online, 'count').mockReturnValue(new Promise(() => undefined));
    for (let scrape = 0; scrape < 2; scrape++) {
      const startedAt = performance.now();
      expect(await valueOf(registry, 'session_change_log_lag_seconds')).toBeGreaterThan(2);
      expect(performance.now() - startedAt).toBeLessThan(IN_TIME_MS);
    }
    expect(counted).toHaveBeenCalledTimes(1);
    runtime.activity.record('0'.repeat(32), Date.now(), '192.0.2.1');
    runtime.tokens.recordFailedLogin('alice');
    await Promise.all([runtime.activity.flush(), runtime.journal.flush()]);
    expect(await valueOf(registry, 'session_activity_dropped_total')).toBe(1);
    const { sightings, events, statistics } = runtime.journal;
    const dropped = [sightings!.dropped, events.dropped, statistics.dropped];
    expect(dropped.every((count) => count > 0)).toBe(true);
    for (const [index, kind] of ['sighting', 'event', 'statistic'].entries()) {
      expect(await valueOf(registry, 'session_journal_dropped_total', { kind })).toBe(dropped[index]);
    }
    database.cut();
    database.release();
    await until(async () => (await valueOf(registry, 'session_change_log_lag_seconds'))! < 1);
  });
});
