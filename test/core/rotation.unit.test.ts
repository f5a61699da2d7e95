import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { accessAndRefresh, fixed, isTokenMode, sliding } from 'lib/token-mode.js';
import { MAX_SUPERSEDED } from 'lib/token-pair.js';
import { Chain, START } from './chain.js';
import { rounds } from '../support/size.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const invalid = (reason: string) => ({ status: 'INVALID', reason });
const refused = (reason: string) => ({ kind: 'refused', verdict: expect.objectContaining(invalid(reason)) });

describe('the configuration of tokens', () => {
  it('has the defaults that the docs name', () => {
    const common = { graceMs: 30 * SECOND, graceFrom: 'first-use', maxAgeMs: 90 * DAY };
    const sliders = { accessMs: 2 * HOUR, refreshMs: null, renewWithinMs: 5 * MINUTE };
    const refreshers = { accessMs: 30 * MINUTE, refreshMs: 30 * DAY, renewWithinMs: null };
    expect(sliding()).toEqual({ name: 'sliding', ...sliders, ...common });
    expect(fixed()).toMatchObject({ accessMs: 2 * HOUR, graceMs: 30 * SECOND, graceFrom: 'first-use' });
    expect(fixed({ ttl: '10s' }).graceMs).toBe(10 * SECOND);
    expect(() => fixed({ ttl: null, maxAge: null } as never)).not.toThrow();
    expect(accessAndRefresh()).toEqual({ name: 'refresh', ...refreshers, ...common });
  });

  it.each<[string, () => unknown, RegExp]>([
    ['a ttl of zero', () => sliding({ ttl: '0s' }), /tokens\.ttl/],
    ['a negative ttl', () => sliding({ ttl: '-2h' }), /tokens\.ttl/],
    ['renewal before the token begins', () => sliding({ ttl: '5m', renewWithin: '5m' }), /tokens\.renewWithin/],
    ['no time to renew in', () => sliding({ renewWithin: '0s' }), /tokens\.renewWithin/],
    ['a grace of zero, which breaks parallel requests', () => sliding({ grace: '0s' }), /tokens\.grace/],
    ['a grace longer than the token', () => sliding({ ttl: '1m', renewWithin: '5s', grace: '61s' }), /tokens\.grace/],
    ['a maxAge of zero', () => sliding({ maxAge: '0d' }), /tokens\.maxAge/],
    ['refresh below access', () => accessAndRefresh({ access: '2h', refresh: '1h' }), /tokens\.refresh/],
    ['a negative grace', () => accessAndRefresh({ grace: '-1s' }), /tokens\.grace/],
    ['a grace longer than the access life', () => accessAndRefresh({ access: '10s', grace: '11s' }), /tokens\.grace/],
    ['a fixed ttl of zero', () => fixed({ ttl: '0s' }), /tokens\.ttl/],
  ])('refuses %s', (_name, make, message) => {
    expect(make).toThrow(
      expect.objectContaining({ code: 'CONFIGURATION_INVALID', message: expect.stringMatching(message) }),
    );
  });

  it('takes a grace of zero for refresh tokens, as the strict choice', () => {
    expect(accessAndRefresh({ grace: '0s' })).toMatchObject({ graceMs: 0, graceFrom: 'issue' });
  });

  const broken = [{ accessMs: 0 }, { graceMs: -1 }, { name: 'none' }].map((part) => ({ ...sliding(), ...part }));
  it.each([null, undefined, 'sliding', {}, ...broken])('does not take %p for a mode', (value) =>
    expect(isTokenMode(value)).toBe(false),
  );
});

describe('a sliding token', () => {
  const mode = sliding({ ttl: '2h', renewWithin: '5m', grace: '30s', maxAge: '90d' });

  async function nearItsEnd() {
    const chain = await Chain.open(mode);
    chain.clock.advance(2 * HOUR - 4 * MINUTE);
    return { chain, first: chain.first.accessToken };
  }

  it('always leads to the same successor, and is renewed once', async () => {
    const { chain, first } = await nearItsEnd();
    const successor = (await chain.use(first))!;
    for (let i = 0; i < 10; i++) expect((await chain.use(first))!.accessToken).toBe(successor.accessToken);
    expect(chain.record.current.generation).toBe(2);
    expect(successor.accessExpiresAt).toBe(chain.clock.now() + 2 * HOUR);
    expect(successor.refreshToken).toBeUndefined();
  });

  it('works to its own end as long as nobody has used the successor', async () => {
    const { chain, first } = await nearItsEnd();
    await chain.use(first);
    chain.clock.advance(4 * MINUTE - 1);
    expect(chain.verdict(first).status).toBe('VALID');
    chain.clock.advance(1);
    expect(chain.verdict(first)).toEqual(invalid('TOKEN_EXPIRED'));
  });

  it('A85: works for the grace from the first use of the successor, and not a millisecond more', async () => {
    const { chain, first } = await nearItsEnd();
    const second = (await chain.use(first))!.accessToken;
    chain.clock.advance(10 * SECOND);
    await chain.use(second);
    chain.clock.advance(10 * SECOND);
    await chain.use(second);
    chain.clock.advance(20 * SECOND - 1);
    expect(chain.verdict(first).status).toBe('VALID');
    chain.clock.advance(1);
    expect(chain.verdict(first)).toEqual(invalid('TOKEN_EXPIRED'));
    expect(chain.verdict(second).status).toBe('VALID');
  });

  it('is TOKEN_EXPIRED, not theft, long after it was forgotten', async () => {
    const { chain, first } = await nearItsEnd();
    let token = (await chain.use(first))!.accessToken;
    for (let i = 0; i < 3; i++) {
      chain.clock.advance(2 * HOUR - 1);
      token = (await chain.use(token))!.accessToken;
    }
    expect(chain.record.superseded.map(({ generation }) => generation)).toEqual([4]);
    expect(chain.verdict(first)).toEqual(invalid('TOKEN_EXPIRED'));
    expect(chain.record.end).toBeNull();
  });

  it('A59: 1,000 renewals never move the absolute end', async () => {
    const chain = await Chain.open(mode);
    let token = chain.first.accessToken;
    let renewals = 0;
    for (;;) {
      chain.clock.advance(2 * HOUR - MINUTE);
      const next = await chain.use(token);
      if (!next) break;
      expect(next.accessExpiresAt).toBeLessThanOrEqual(START + 90 * DAY);
      token = next.accessToken;
      renewals++;
    }
    expect(renewals).toBeGreaterThan(1000);
    expect(chain.verdict(token)).toEqual(invalid('SESSION_EXPIRED'));
    expect(chain.record.expiresAt).toBe(START + 90 * DAY);
  });
});

describe('a refresh token', () => {
  const mode = accessAndRefresh({ access: '30m', refresh: '30d', grace: '30s', maxAge: '90d' });

  it.each(['access', 'refresh'] as const)('begins its grace with the first use of the next %s token', async (used) => {
    const chain = await Chain.open(mode);
    const pair = await chain.next(chain.first.refreshToken!);
    chain.clock.advance(10 * MINUTE);
    if (used === 'access') await chain.use(pair.accessToken);
    else await chain.next(pair.refreshToken!);
    chain.clock.advance(30 * SECOND - 1);
    expect((await chain.next(chain.first.refreshToken!)).refreshToken).toBe(pair.refreshToken);
    expect(chain.verdict(chain.first.accessToken).status).toBe('VALID');
    chain.clock.advance(1);
    expect(chain.verdict(chain.first.accessToken)).toEqual(invalid('TOKEN_EXPIRED'));
    expect(await chain.refresh(chain.first.refreshToken!)).toMatchObject(refused('REFRESH_REUSED'));
  });

  it('A80: P0 -> S1 -> S2, then P0 again: no theft, and S1 again', async () => {
    const chain = await Chain.open(mode);
    const s1 = await chain.next(chain.first.refreshToken!);
    const s2 = await chain.next(s1.refreshToken!);
    chain.clock.advance(29 * SECOND);
    expect((await chain.next(chain.first.refreshToken!)).accessToken).toBe(s1.accessToken);
    expect((await chain.next(s1.refreshToken!)).accessToken).toBe(s2.accessToken);
    expect(chain.record.end).toBeNull();
  });

  it('A78, A86: ends the session when it comes back after its grace, from whichever side', async () => {
    const chain = await Chain.open(mode);
    const stolen = chain.first.refreshToken!;
    const thief = await chain.next(stolen);
    await chain.use(thief.accessToken);
    chain.clock.advance(HOUR);
    expect(await chain.refresh(stolen)).toMatchObject(refused('REFRESH_REUSED'));
    expect(chain.record.end).toMatchObject({ reason: 'REFRESH_REUSED', at: chain.clock.now(), by: 'system' });
    expect(chain.verdict(thief.accessToken)).toMatchObject(invalid('REFRESH_REUSED'));
    expect(await chain.refresh(thief.refreshToken!)).toMatchObject(refused('REFRESH_REUSED'));
    expect(await chain.refresh(stolen)).toMatchObject(refused('REFRESH_REUSED'));
  });

  it('A83: knows an older generation by its number, however many there were in one millisecond', async () => {
    const chain = await Chain.open(mode);
    let pair = chain.first;
    for (let i = 0; i < MAX_SUPERSEDED; i++) pair = await chain.next(pair.refreshToken!);
    expect(await chain.refresh(pair.refreshToken!)).toEqual({ kind: 'too-many' });
    chain.clock.advance(30 * SECOND);
    pair = await chain.next(pair.refreshToken!);
    expect(chain.record.superseded.map(({ generation }) => generation)).toEqual([8, 9]);
    expect(await chain.refresh(chain.first.refreshToken!)).toMatchObject(refused('REFRESH_REUSED'));
  });

  it('A81: with grace 0, gives one successor once, and takes the second use for theft', async () => {
    const chain = await Chain.open(accessAndRefresh({ grace: '0s' }));
    const pair = await chain.next(chain.first.refreshToken!);
    expect(chain.verdict(chain.first.accessToken)).toEqual(invalid('TOKEN_EXPIRED'));
    expect(await chain.refresh(chain.first.refreshToken!)).toMatchObject(refused('REFRESH_REUSED'));
    expect(chain.verdict(pair.accessToken)).toMatchObject(invalid('REFRESH_REUSED'));
  });

  it('counts grace from the issue where that is asked for', async () => {
    const chain = await Chain.open(accessAndRefresh({ graceFrom: 'issue' }));
    await chain.next(chain.first.refreshToken!);
    chain.clock.advance(30 * SECOND);
    expect(await chain.refresh(chain.first.refreshToken!)).toMatchObject(refused('REFRESH_REUSED'));
  });

  it('A59: never moves the absolute end, and never outlives it', async () => {
    const chain = await Chain.open(mode);
    let pair = chain.first;
    for (let day = 0; day < 89; day++) {
      chain.clock.advance(DAY);
      pair = await chain.next(pair.refreshToken!);
    }
    expect(pair.refreshExpiresAt).toBe(START + 90 * DAY);
    chain.clock.advance(DAY);
    expect(await chain.refresh(pair.refreshToken!)).toMatchObject(refused('SESSION_EXPIRED'));
  });

  it('expires by itself, which is no theft', async () => {
    const chain = await Chain.open(mode);
    await chain.next(chain.first.refreshToken!);
    chain.clock.advance(30 * DAY);
    expect(await chain.refresh(chain.first.refreshToken!)).toEqual(refused('TOKEN_EXPIRED'));
    expect(chain.record.end).toBeNull();
  });

  it('A58: is refused once the session is idle beyond doubt', async () => {
    const chain = await Chain.open(mode, { idleMs: HOUR });
    chain.clock.advance(HOUR + 20 * SECOND - 1);
    const pair = await chain.next(chain.first.refreshToken!);
    chain.clock.advance(1);
    expect(await chain.refresh(pair.refreshToken!)).toMatchObject(refused('SESSION_IDLE'));
    expect(chain.record.end).toMatchObject({ reason: 'SESSION_IDLE', at: START + HOUR });
  });

  it('is refused while the account is banned, and ends the session once credentials have changed', async () => {
    const chain = await Chain.open(mode);
    const ban = { service: null, level: 1, comment: null, until: START + HOUR, at: START, by: 'admin' };
    chain.account = { bans: [ban], notBefore: 0 };
    expect(await chain.refresh(chain.first.refreshToken!)).toMatchObject(refused('ACCOUNT_DISABLED'));
    chain.clock.advance(HOUR);
    const pair = await chain.next(chain.first.refreshToken!);
    chain.account = { bans: [], notBefore: START + 1 };
    expect(await chain.refresh(pair.refreshToken!)).toMatchObject(refused('SESSION_REVOKED'));
    expect(chain.verdict(pair.accessToken)).toMatchObject(invalid('SESSION_REVOKED'));
  });

  it('F9: says nothing of a token that is newer than the record', async () => {
    const chain = await Chain.open(mode);
    const { record } = chain;
    const pair = await chain.next(chain.first.refreshToken!);
    chain.record = record;
    expect((await chain.refresh(pair.refreshToken!)).kind).toBe('unknown');
    expect(chain.verdict(pair.accessToken).status).toBe('UNKNOWN');
  });

  it('has access tokens of slightly different lives, which a retry does not change', async () => {
    const lives = new Set<number>();
    for (let i = 0; i < 20; i++) {
      const chain = await Chain.open(mode);
      const life = chain.first.accessExpiresAt - START;
      expect(life).toBeGreaterThanOrEqual(30 * MINUTE * 0.95);
      expect(life).toBeLessThanOrEqual(30 * MINUTE);
      lives.add(life);
    }
    expect(lives.size).toBeGreaterThan(10);
  });
});

describe('a shorter grace', () => {
  it('A8: hands out nothing that is over before its parent, and takes no retry of the parent for theft', async () => {
    const chain = await Chain.open(accessAndRefresh({ grace: '10m' }));
    const parent = chain.first.refreshToken!;
    const second = await chain.next(parent);
    await chain.use(second.accessToken);
    chain.withMode(accessAndRefresh({ grace: '0s' }));
    const third = await chain.next(second.refreshToken!);
    expect(await chain.refresh(parent)).toEqual(refused('TOKEN_EXPIRED'));
    const fourth = await chain.next(third.refreshToken!);
    expect(await chain.refresh(parent)).toEqual(refused('TOKEN_EXPIRED'));
    expect(chain.record.end).toBeNull();
    expect(await chain.next(fourth.refreshToken!)).toBeDefined();
  });
});

describe('a rotation of the secret', () => {
  const [K1, K2] = ['first secret of the chain tests, of 32 bytes', 'second secret of the chain tests, of 32 bytes'];

  it('leaves one successor for each parent, whichever node answers', async () => {
    const chain = await Chain.open(accessAndRefresh(), { secret: [K1!] });
    const parent = chain.first.refreshToken!;
    chain.withSecrets([K1!, K2!]);
    const pair = await chain.next(parent);
    chain.withSecrets([K2!, K1!]);
    expect((await chain.next(parent)).refreshToken).toBe(pair.refreshToken);
    const newer = await chain.next(pair.refreshToken!);
    chain.withSecrets([K1!, K2!]);
    expect((await chain.next(pair.refreshToken!)).refreshToken).toBe(newer.refreshToken);
    chain.withSecrets([K2!]);
    expect((await chain.next(newer.refreshToken!)).refreshToken).toBeDefined();
  });
});

describe('any history of a session', () => {
  const uses = fc.record({ kind: fc.constantFrom('use' as const, 'refresh' as const), which: fc.nat(4) });
  const ms = fc.constantFrom(1, 29_999, 30_000, 10 * MINUTE, 29 * MINUTE, 2 * HOUR, 20 * DAY);
  const waits = fc.record({ kind: fc.constant('wait' as const), ms });
  const steps = fc.array(fc.oneof(uses, waits), { maxLength: 30 });
  const modes = fc.constantFrom(accessAndRefresh(), accessAndRefresh({ grace: '0s' }));

  it('A79: is a chain, never a tree, and ends for good', async () => {
    await fc.assert(
      fc.asyncProperty(steps, modes, async (history, mode) => {
        const chain = await Chain.open(mode);
        const pairs = [chain.first];
        const successors = new Map<string, string>();
        let ended = false;
        for (const step of history) {
          if (step.kind === 'wait') {
            chain.clock.advance(step.ms);
            continue;
          }
          const pair = pairs[Math.max(0, pairs.length - 1 - step.which)]!;
          if (step.kind === 'use') {
            const good = chain.verdict(pair.accessToken).status === 'VALID';
            expect(ended && good).toBe(false);
            if (good) await chain.use(pair.accessToken);
          } else {
            const { tokens } = await chain.refresh(pair.refreshToken!);
            expect(ended && tokens !== undefined).toBe(false);
            if (tokens) {
              const known = successors.get(pair.refreshToken!);
              expect(tokens.refreshToken).toBe(known ?? tokens.refreshToken);
              if (known === undefined) {
                // Only the newest token of the chain may get a successor that nobody has seen yet.
                expect(pair).toBe(pairs.at(-1));
                successors.set(pair.refreshToken!, tokens.refreshToken!);
                pairs.push(tokens);
              }
            }
          }
          ended ||= chain.record.end !== null;
          expect(chain.record.expiresAt).toBe(START + mode.maxAgeMs);
          expect(chain.record.superseded.length).toBeLessThanOrEqual(MAX_SUPERSEDED);
          const unused = chain.record.superseded.filter(({ graceUntil }) => graceUntil === null);
          expect(unused.length).toBeLessThanOrEqual(1);
        }
      }),
      { numRuns: rounds('properties') },
    );
  });

  it('logs nobody out whose replies get lost, as long as the client goes on with what it has', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 40 }), async (lost) => {
        const chain = await Chain.open(accessAndRefresh());
        let pair = chain.first;
        for (const isLost of lost) {
          chain.clock.advance(HOUR);
          const next = await chain.next(pair.refreshToken!);
          if (!isLost) {
            pair = next;
            await chain.use(pair.accessToken);
          }
        }
        expect(chain.record.end).toBeNull();
      }),
      { numRuns: rounds('properties') },
    );
  });
});
