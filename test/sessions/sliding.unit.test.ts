import { describe, expect, it } from '@jest/globals';
import { multiDevice, sliding } from 'nestjs-latchkey';
import { DataSource } from 'typeorm';
import { serviceKinds } from '../support/databases.js';
import { DAY, HOUR, MINUTE, useSessions } from './harness.js';

describe.each(serviceKinds)('a sliding session on $name', (kind) => {
  const harness = useSessions(kind, { policy: multiDevice(), tokens: sliding({ maxAge: '90d' }) });

  it('A59: is renewed a thousand times, each recorded once, and ends when it was to end from the beginning', async () => {
    const { tokens, sessions, clock, database } = harness;
    const { accessToken, session } = await tokens.login('long');
    let token = accessToken;
    let renewals = 0;
    for (;;) {
      clock.advance(2 * HOUR - MINUTE);
      const result = await tokens.verify(token);
      if (result.status !== 'VALID') break;
      if (!result.renewed) continue;
      expect(result.renewed.accessExpiresAt).toBeLessThanOrEqual(session.expiresAt);
      token = result.renewed.accessToken;
      renewals++;
    }
    expect(renewals).toBeGreaterThan(1000);
    expect(await tokens.verify(token)).toEqual({ status: 'INVALID', reason: 'SESSION_EXPIRED' });
    expect(clock.now()).toBeGreaterThanOrEqual(session.createdAt + 90 * DAY);
    expect((await sessions.find(session.id))?.expiresAt).toBe(session.createdAt + 90 * DAY);
    const source = await new DataSource(database.options).initialize();
    const [row] = await source.query<{ n: string; superseded: string }[]>(
      `SELECT (SELECT COUNT(*) FROM latchkey_event WHERE type = 'TOKEN_RENEWED') AS n, superseded FROM latchkey_session`,
    );
    await source.destroy();
    expect(Number(row!.n)).toBe(renewals);
    expect(JSON.parse(row!.superseded)).toHaveLength(1);
  });
});
