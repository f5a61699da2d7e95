import { describe, expect, it } from '@jest/globals';
import { accessAndRefresh, fixed, sliding } from 'nestjs-latchkey';
import { resolveOptions } from 'lib/session-options.js';
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

  it.each([
    ['fixed', fixed()],
    ['sliding', sliding()],
    ['accessAndRefresh', accessAndRefresh({ grace: '0s' })],
  ])('take the mode that %s makes', (_name, tokens) => {
    expect(resolve({ tokens }).tokens).toBe(tokens);
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

  const wrong: readonly [string, Record<string, unknown>, string?][] = [
    ['tokens', { tokens: '2h' }, 'sliding(), accessAndRefresh(), fixed() or jwt()'],
    ['tokens', { tokens: sliding }],
    ['tokens', { tokens: { ...sliding(), accessMs: 0 } }],
    ['tokens', { tokens: { ...sliding(), accessMs: NaN } }],
    ['tokens', { tokens: { ...sliding(), name: 'endless' } }],
    ['tokens', { tokens: { ...accessAndRefresh(), refreshMs: '30d' } }],
    ['onReplace', { onReplace: 'delete' }, 'clear or keep'],
    ['onReplace', { onReplace: null }],
    ['onReplace', { onReplace: true }],
    ['hooks', { hooks: null }],
    ['hooks', { hooks: () => undefined }],
    ['hooks.beforeLogin', { hooks: { beforeLogin: 'no' } }, 'a function'],
    ['hooks.onEvent', { hooks: { onEvent: [] } }],
    ['hooks.afterLogin', { hooks: { afterLogin: () => undefined } }, 'not known'],
    ['headers', { headers: null }],
    ['headers', { headers: 'X-Renewed-Token' }],
    ['headers.renewed', { headers: { renewed: 'X-Renewed-Token' } }, 'not known'],
    ['headers.renewedToken', { headers: { renewedToken: '' } }],
    ['headers.renewedToken', { headers: { renewedToken: false } }],
    ['headers.renewedToken', { headers: { renewedToken: 'X Renewed' } }],
    ['headers.renewedToken', { headers: { renewedToken: 'X-Renewed:' } }],
    ['headers.renewedToken', { headers: { renewedToken: 'X-Renewed\r\nX-Evil' } }],
    ['headers.renewedToken', { headers: { renewedToken: 'X-Renewed\n' } }],
    ['headers.renewedToken', { headers: { renewedToken: 'X-Erneuert-ü' } }],
    ['headers.renewedToken', { headers: { renewedToken: 'x'.repeat(101) } }],
    ['headers.renewedTokenExpiresIn', { headers: { renewedTokenExpiresIn: 5 } }],
    ['headers.renewedTokenExpiresIn', { headers: { renewedToken: 'X-A', renewedTokenExpiresIn: 'x-a' } }, 'the same'],
    ['headers.noActivity', { headers: { noActivity: true } }],
    ['headers.noActivity', { headers: { noActivity: 'X-No-Activity: 1' } }],
  ];

  it.each(wrong.map(([name, options, says]) => ({ name, options, says })))(
    'stop the boot and name $name: $options',
    ({ name, options, says = '' }) => {
      const resolving = () => resolve(options);
      expect(resolving).toThrow(expect.objectContaining({ name: 'SessionError', code: 'CONFIGURATION_INVALID' }));
      expect(resolving).toThrow(`option "${name}" `);
      expect(resolving).toThrow(says);
    },
  );

  it.each([0, 30, '30', '0s', '-5m', '', null, true, {}, '5 m', '36526d'])(
    'refuse an idle timeout that is no duration: %j',
    (idleTimeout) => {
      const resolving = () => resolve({ idleTimeout });
      expect(resolving).toThrow(expect.objectContaining({ code: 'CONFIGURATION_INVALID' }));
      expect(resolving).toThrow('idleTimeout');
    },
  );
});
