import { describe, expect, it } from '@jest/globals';
import { type PolicyOption, type SessionLife, accessAndRefresh, multiDevice, sliding } from 'nestjs-latchkey';
import { serviceKinds } from '../support/databases.js';
import type { Services } from '../support/sessions.js';
import { DAY, HOUR, MINUTE, useSessions } from './harness.js';

const A_DURATION =
  "must be a positive duration with a unit, at most 100 years, such as '500ms', '30s', '5m', '2h' or '30d'.";
const IDLE = { idleTimeout: '14d' } as const;

const policy: PolicyOption = ({ deviceType }) => {
  if (deviceType === 'desk') return { policy: multiDevice(), life: { maxAge: '8h', idleTimeout: '30m' } };
  if (deviceType === 'bad') return { policy: multiDevice(), life: { maxAge: '91d' } };
  if (deviceType === 'typo') return { policy: multiDevice(), live: {} } as never;
  if (deviceType === 'none') return { policy: null } as never;
  return multiDevice();
};

describe('the life of a login', () => {
  const refresh = { policy, tokens: accessAndRefresh({ access: '30m', refresh: '30d', maxAge: '90d' }), ...IDLE };
  const harness = useSessions(serviceKinds[0]!, refresh);
  const login = (life: unknown, node: Services = harness, deviceType?: string) =>
    node.tokens.login('alice', { life: life as SessionLife, ...(deviceType !== undefined && { deviceType }) });

  it.each([
    [null, /^life must be an object with idleTimeout, maxAge, refresh\.$/],
    [[], /^life must be an object/],
    ['1h', /^life must be an object/],
    [{ maxage: '1h' }, /^life\.maxage is unknown; allowed: idleTimeout, maxAge, refresh\.$/],
    ...[null, 3600, '', '0s', '-1h', '1', '1 h', 'PT1H', '1w', '36526d', true, {}, NaN].flatMap((value) =>
      ['maxAge', 'idleTimeout', 'refresh'].map((name) => [{ [name]: value }, `life.${name} ${A_DURATION}`] as const),
    ),
    [{ maxAge: '91d' }, 'life.maxAge must be at most 90d, as tokens.maxAge says, unless allowLongerLife is set.'],
    [{ maxAge: '2160.001h' }, /^life\.maxAge must be at most 90d/],
    [
      { idleTimeout: '15d' },
      'life.idleTimeout must be at most 14d, as idleTimeout says, unless allowLongerLife is set.',
    ],
    [{ refresh: '31d' }, 'life.refresh must be at most 30d, as tokens.refresh says, unless allowLongerLife is set.'],
    [{ idleTimeout: '14m' }, 'life.idleTimeout must be at least 15m, three times timing.activityFlush.'],
    [{ refresh: '29m' }, 'life.refresh must be at least 30m, the lifetime of an access token.'],
  ] as const)('%j is refused by name, and opens nothing', async (life, message) => {
    await expect(login(life)).rejects.toMatchObject({
      code: 'ARGUMENT_INVALID',
      message: typeof message === 'string' ? message : expect.stringMatching(message),
    });
    expect(await harness.sessions.list('alice')).toEqual([]);
  });

  it('may be as long as that of the module, and no life is that of the module', async () => {
    const whole = { maxAge: '90d', idleTimeout: '14d', refresh: '30d' };
    const { session, refreshExpiresAt } = await login(whole);
    const now = harness.clock.now();
    expect(session).toMatchObject({ expiresAt: now + 90 * DAY, idleMs: 14 * DAY, refreshMs: 30 * DAY });
    expect(refreshExpiresAt).toBe(now + 30 * DAY);
    for (const life of [undefined, {}, { maxAge: undefined }]) {
      expect((await login(life)).session).toMatchObject({ expiresAt: now + 90 * DAY, idleMs: null, refreshMs: null });
    }
    await harness.tokens.revokeSessions('alice');
  });

  it('is refused for refresh tokens where there are none', async () => {
    const node = await harness.another({ tokens: sliding() });
    const message = 'life.refresh must be left out: the token mode of the module has no refresh tokens.';
    await expect(login({ refresh: '3h' }, node)).rejects.toMatchObject({ code: 'ARGUMENT_INVALID', message });
    await node.close();
  });

  it('may be longer with allowLongerLife, and stays so without it but for the idle timeout', async () => {
    const node = await harness.another({ allowLongerLife: true });
    const life = { maxAge: '1000d', idleTimeout: '60d', refresh: '200d' };
    const opened = await login(life, node);
    const now = harness.clock.now();
    expect(opened.session).toMatchObject({ expiresAt: now + 1000 * DAY, idleMs: 60 * DAY, refreshMs: 200 * DAY });
    const next = await node.tokens.refresh(opened.refreshToken);
    expect(next.refreshExpiresAt).toBe(now + 200 * DAY);
    await expect(login({ idleTimeout: '14m' }, node)).rejects.toMatchObject({ code: 'ARGUMENT_INVALID' });
    await expect(login({ maxAge: '36526d' }, node)).rejects.toMatchObject({ code: 'ARGUMENT_INVALID' });
    await node.close();
    const strict = await harness.tokens.refresh(next.refreshToken);
    expect([strict.refreshExpiresAt, strict.session.expiresAt]).toEqual([now + 30 * DAY, now + 1000 * DAY]);
    await harness.tokens.revokeSessions('alice');
  });

  it('comes from the policy function as well, and the shorter of each kind holds', async () => {
    const now = harness.clock.now();
    expect((await login(undefined, harness, 'desk')).session).toMatchObject({
      expiresAt: now + 8 * HOUR,
      idleMs: 30 * MINUTE,
      refreshMs: null,
    });
    const mixed = await login({ maxAge: '1h', idleTimeout: '1d', refresh: '2h' }, harness, 'desk');
    expect(mixed.session).toMatchObject({ expiresAt: now + HOUR, idleMs: 30 * MINUTE, refreshMs: 2 * HOUR });
    const support = await harness.operators.impersonate('alice', { by: 'root', for: '12h', deviceType: 'desk' });
    expect(support.session).toMatchObject({ expiresAt: now + 8 * HOUR, idleMs: 30 * MINUTE });
    await harness.tokens.revokeSessions('alice');
  });

  it.each([
    ['bad', /"policy\.life\.maxAge" must be at most 90d.*allowLongerLife/],
    ['typo', /"policy\.live" is unknown; allowed: life, policy/],
    ['none', /policy.*must return a DevicePolicy/],
  ])('of a policy function that makes a mistake is refused as one of the configuration: %s', async (type, message) => {
    await expect(login({}, harness, type)).rejects.toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: expect.stringMatching(message),
    });
  });

  it('is shown in the lists of the user and of operators', async () => {
    const { session } = await login({ maxAge: '1h', idleTimeout: '30m', refresh: '45m' });
    const lives = { idleMs: 30 * MINUTE, refreshMs: 45 * MINUTE, expiresAt: session.createdAt + HOUR };
    expect(await harness.sessions.list('alice')).toMatchObject([lives]);
    expect((await harness.online.list({ limit: 10 })).items).toMatchObject([lives]);
    await harness.tokens.revokeSessions('alice');
  });
});
