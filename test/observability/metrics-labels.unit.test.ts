import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { sessionMetrics } from 'nestjs-latchkey/metrics';
import { Registry } from 'prom-client';
import { sqliteOptions } from '../support/databases.js';
import { type Sessions, startSessions } from '../support/sessions.js';

const FORGED = `ses_at_${'A'.repeat(96)}`;

let registry: Registry;
let sessions: Sessions;
beforeEach(async () => {
  registry = new Registry();
  sessions = await startSessions({ database: sqliteOptions(':memory:') }, [sessionMetrics({ registry })]);
});
afterEach(() => sessions.close());

it('says nothing of anybody', async () => {
  const { tokens, operators } = sessions;
  const { accessToken, session } = await tokens.login('alice-cooper', {
    ip: '192.0.2.77',
    deviceName: 'phone-of-alice',
  });
  await tokens.verify(accessToken, { ip: '192.0.2.77' });
  await tokens.verify(FORGED);
  await operators.kick(session.id, { by: 'operator-root' });
  const text = await registry.metrics();
  for (const secret of [accessToken, session.id, FORGED, 'alice', '192.0.2.77', 'phone', 'root']) {
    expect(text).not.toContain(secret);
  }
  const metrics = await registry.getMetricsAsJSON();
  const labels = metrics.flatMap(({ values }) => values.flatMap((value) => Object.entries(value.labels)));
  const known = {
    realm: ['users'],
    source: ['memory', 'shared', 'database', 'none'],
    status: ['VALID', 'INVALID', 'UNKNOWN'],
    state: ['off', 'up', 'down'],
    outcome: ['acknowledged', 'pending'],
    kind: ['sighting', 'event', 'statistic'],
  };
  const others = labels.filter(
    ([name, value]) => name !== 'le' && !known[name as keyof typeof known]?.includes(String(value)),
  );
  expect(others).toEqual([]);
});
