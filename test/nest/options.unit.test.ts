import { describe, expect, it } from '@jest/globals';
import { accessAndRefresh, bearer, both, cookies, sliding } from 'nestjs-latchkey';
import { resolveOptions } from 'lib/resolve-options.js';
import { SECRET } from '../support/sessions.js';

const resolve = (options: Record<string, unknown>) => resolveOptions({ secret: SECRET, ...options });

describe('the options of SessionModule', () => {
  it('have these defaults', () => {
    expect(resolve({})).toMatchObject({
      tokens: sliding({ ttl: '2h', renewWithin: '5m', grace: '30s', maxAge: '90d' }),
      idleMs: null,
      onReplace: 'clear',
      hooks: {},
      headers: {
        renewedToken: 'X-Renewed-Token',
        renewedTokenExpiresIn: 'X-Renewed-Token-Expires-In',
        noActivity: 'X-No-Activity',
      },
      realm: 'users',
      tokenPrefix: 'ses',
      runMigrations: true,
      connections: { verify: 4, work: 8 },
    });
  });

  it.each([bearer(), cookies({ trustedOrigins: ['HTTPS://App.example.com:8443'] }), both()])(
    'take a transport: %j',
    (one) => {
      expect(resolve({ transport: one }).transport).toBe(one);
    },
  );

  it.each<[string, object]>([
    ['transport.sameSite', { sameSite: 'Lax' }],
    ['transport.sameSite', { sameSite: 'none' }],
    ['transport.sameSite', { sameSite: null }],
    ...['.example.com', 'example.com:443', 'com', 'a b.com', 'ex;ample.com', 5, null].map(
      (domain) => ['transport.domain', { domain }] as [string, object],
    ),
    ['transport.partitioned', { partitioned: 'yes' }],
    ['transport.trustedOrigins', { trustedOrigins: 'https://example.com' }],
    ...[
      'null',
      '*',
      'https://*.example.com',
      'https://example.com/',
      'https://example.com/app',
      'https://example.com:443',
      'https://user@example.com',
      'example.com',
      'file://x',
      'https://example.com https://other.example',
      5,
      null,
    ].map((origin) => ['transport.trustedOrigins', { trustedOrigins: [origin] }] as [string, object]),
    ['transport.refreshPath', { refreshPath: 'auth/refresh' }],
    ['transport.refreshPath', { refreshPath: '/a;Domain=evil.example' }],
    ['transport.refreshPath', { refreshPath: '/a\r\nSet-Cookie: a=b' }],
    ['transport.clearSiteData', { clearSiteData: 'cache' }],
    ['transport.clearSiteData', { clearSiteData: ['cache"\r\nX-Y: z'] }],
    ['transport.secure', { secure: false }],
    ['transport.path', { path: '/app' }],
    ['transport.httpOnly', { httpOnly: false }],
    ['transport', null as never],
  ])('refuse %s of cookies() as %j', (name, options) => {
    for (const make of [cookies, both]) {
      expect(() => make(options)).toThrow(expect.objectContaining({ code: 'CONFIGURATION_INVALID' }));
      expect(() => make(options)).toThrow(`"${name}"`);
    }
  });

  it('take an idle timeout of three flushes, and not a millisecond less', () => {
    const timing = { activityFlush: '10s' };
    expect(resolve({ timing, idleTimeout: '30s' }).idleMs).toBe(30_000);
    expect(resolve({ timing, idleTimeout: false }).idleMs).toBeNull();
    expect(() => resolve({ timing, idleTimeout: '29999ms' })).toThrow(/"idleTimeout".*timing\.activityFlush/);
    // The default of activityFlush counts as well.
    expect(() => resolve({ idleTimeout: '29s' })).toThrow(/"idleTimeout".*timing\.activityFlush/);
    expect(() => resolve({ timing: { activityFlush: '1h' }, idleTimeout: '2h' })).toThrow(/timing\.activityFlush/);
  });

  it('take some names of headers and leave the others', () => {
    expect(resolve({ headers: { renewedToken: 'X-Next', noActivity: false } }).headers).toEqual({
      renewedToken: 'X-Next',
      renewedTokenExpiresIn: 'X-Renewed-Token-Expires-In',
      noActivity: false,
    });
    expect(resolve({ headers: { renewedToken: undefined } }).headers.renewedToken).toBe('X-Renewed-Token');
  });

  it('change no object that was given', () => {
    const given = { hooks: Object.freeze({}), headers: Object.freeze({ noActivity: false }) };
    const copy = structuredClone(given);
    resolve(Object.freeze(given));
    expect(given).toEqual(copy);
  });

  /** By the option that the message names: what is refused of it, and what the message says where that counts. */
  const WRONG: readonly (readonly [name: string, values: readonly unknown[], says?: string])[] = [
    ['secrets', [[SECRET]], 'is unknown'],
    ['tokenGenerator', [() => 'short'], 'is unknown'],
    ['realm', ['', 'Users', 'a"b', 'a\nb', 'users\n', 'x'.repeat(65), null]],
    ['tokenPrefix', ['s', 'my_app', 'SES', 'x'.repeat(17)]],
    ['policy', ['single', {}, null]],
    ['tokens', ['2h'], 'sliding(), accessAndRefresh(), fixed() or jwt()'],
    ['tokens', [null, {}, sliding, { accessMs: 0, maxAgeMs: 1 }, { accessMs: 1, maxAgeMs: Infinity }]],
    ['tokens', [{ accessMs: 0 }, { accessMs: NaN }, { name: 'endless' }].map((part) => ({ ...sliding(), ...part }))],
    ['tokens', [{ ...accessAndRefresh(), refreshMs: '30d' }]],
    [
      'transport',
      [null, 'cookie', cookies, {}, { kind: 'cookies' }, { kind: 'bearer' }],
      'bearer(), cookies() or both()',
    ],
    ['onReplace', ['delete', null, true], 'clear or keep'],
    ['stepUp', [null, 401, []]],
    ['stepUp.acr', ['mfa'], 'is unknown'],
    ['stepUp.status', [400, '401', null], '401 or 403'],
    ['stepUp.acrValues', [null, 'mfa', ['mfa']]],
    ['stepUp.acrValues', [{ mfa: 'urn:example:aal2' }], 'needs stepUp.status to be 401'],
    ['hooks', [null, () => undefined]],
    ['hooks.beforeLogin', ['no'], 'a function'],
    ['hooks.onEvent', [[]]],
    ['hooks.afterLogin', [() => undefined], 'is unknown'],
    ['headers', [null, 'X-Renewed-Token']],
    ['headers.renewed', ['X-Renewed-Token'], 'is unknown'],
    ['headers.renewedToken', ['', false, 'X Renewed', 'X-Renewed:', 'X-Renewed\r\nX-Evil', 'X-Renewed\n']],
    ['headers.renewedToken', ['X-Erneuert-ü', 'x'.repeat(101)]],
    ['headers.renewedTokenExpiresIn', [5]],
    ['headers.noActivity', [true, 'X-No-Activity: 1']],
    ['nearCache', [true, {}, { maxEntries: 0 }, { maxEntries: '10' }]],
    ['runMigrations', ['yes']],
    ['connections', [{ verify: 0 }, { verify: '4' }, { work: 1.5 }, null, 4]],
    ['connections.read', [4], 'is unknown'],
    ['messages', [null]],
    ['messages.TOKEN_MISSING', [1]],
    ['messages.TOKEN_MISING', ['x'], 'is unknown: it must be the code of an error'],
    ['timing', [null]],
    ['timing.pol', ['1s'], 'is unknown'],
    ['timing.poll', ['0s', '-1m']],
    ['timing.sweep', [5, '5', '5 m', '5M', '1h30m', '1e3s', 'NaNs', '200000d', ['5m']]],
    ['timing.copyAge', ['1s']],
    ['idleTimeout', [0, 30, '30', '0s', '-5m', '', null, true, {}, '5 m', '36526d']],
  ];
  const expectRefused = (resolving: () => unknown, name: string, says = '') => {
    expect(resolving).toThrow(expect.objectContaining({ name: 'SessionError', code: 'CONFIGURATION_INVALID' }));
    // Times are named without more words around them.
    expect(resolving).toThrow(new RegExp(`(option "${name}"|^${name}) `));
    expect(resolving).toThrow(says);
  };

  it.each(WRONG)('A9, A118: stop the boot where %s is one of %j', (name, values, says = '') => {
    const [option, field] = name.split('.') as [string, string?];
    for (const value of values) {
      expectRefused(() => resolve({ [option]: field ? { [field]: value } : value }), name, says);
    }
  });

  it('stop the boot where they contradict each other', () => {
    const headers = { renewedToken: 'X-A', renewedTokenExpiresIn: 'x-a' };
    expectRefused(() => resolve({ headers }), 'headers.renewedTokenExpiresIn', 'must differ from headers.renewedToken');
    const timing = { poll: '2s', pollFreshness: '3s' };
    expectRefused(() => resolve({ timing }), 'timing.pollFreshness');
  });

  it.each<[string, object, string]>([
    ['methods that no session can have', { 'two words,': 'x' }, 'methods'],
    ['no methods', { '': 'x' }, 'methods'],
    ['two spaces', { 'pwd  otp': 'x' }, 'methods'],
    ['methods twice', { 'pwd otp': 'x', 'OTP pwd': 'y' }, 'in any order'],
    ['no context', { mfa: [] }, '1 to 16'],
    ['too many contexts', { mfa: Array(17).fill('x') }, '1 to 16'],
    ...['', 'a b', 'a"b', 'a\\b', 'a\r\nX: y', 'é', 'x'.repeat(256), 5, null].map((value): [string, object, string] => [
      `the context ${JSON.stringify(value)}`,
      { mfa: ['x', value] },
      'ASCII',
    ]),
  ])('stop the boot where acrValues has %s', (_, acrValues, says) => {
    const resolving = () => resolve({ stepUp: { status: 401, acrValues } });
    expect(resolving).toThrow(expect.objectContaining({ code: 'CONFIGURATION_INVALID' }));
    expect(resolving).toThrow(/option "stepUp\.acrValues\[/);
    expect(resolving).toThrow(says);
  });
});
