import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { userKey } from 'lib/user-key.js';
import { redisKeys } from 'lib/redis-commands.js';
import { redis } from '../../lib/redis/index.js';
import { adviceFor } from 'lib/redis-backend.js';
import { rounds } from '../support/size.js';

const hex = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 32);
const prefix = fc.stringMatching(/^[A-Za-z0-9:._-]{1,64}$/);
const realm = fc.stringMatching(/^[a-z0-9._-]{1,64}$/);
const id = fc.nat(3).map((number) => hex(`${number}`));

describe('names in Redis', () => {
  it('A91: are different for everything that is different', () => {
    const name = fc.record({ prefix, realm, kind: fc.constantFrom('session', 'answers', 'notices'), id });
    const write = (of: Record<'prefix' | 'realm' | 'kind' | 'id', string>) => {
      const keys = redisKeys(of.prefix, of.realm);
      return of.kind === 'session' ? keys.session(of.id) : of.kind === 'answers' ? keys.answers(of.id) : keys.notices;
    };
    const small = fc.record({
      prefix: fc.constantFrom('a', 'a:b', 'a:b:session', 'a:', ':a', 'a:b:answers'),
      realm: fc.constantFrom('a', 'b', 'session', 'notices', 'answers'),
      kind: fc.constantFrom('session', 'answers', 'notices'),
      id,
    });
    for (const names of [name, small]) {
      fc.assert(
        fc.property(names, names, (one, other) => {
          const isSame =
            one.prefix === other.prefix &&
            one.realm === other.realm &&
            one.kind === other.kind &&
            (one.kind === 'notices' || one.id === other.id);
          expect(write(one) === write(other)).toBe(isSame);
        }),
        { numRuns: rounds('properties') },
      );
    }
  });

  it('A91, A93: have nothing in them that Redis takes for more than text, and nothing of the user', () => {
    const users = [':', '{', '}', '{}', '}x{', '*', '?', '[a-z]', '\r\n', '\0', '😀', '', 'x'.repeat(10_240)];
    const keys = users.map((user) => userKey('users', user));
    expect(new Set(keys).size).toBe(users.length);
    for (const key of keys) expect(key).toMatch(/^[0-9a-f]{64}$/);
    fc.assert(
      fc.property(prefix, realm, id, (before, of, which) => {
        const names = redisKeys(before, of);
        for (const name of [names.session(which), names.answers(which), names.notices]) {
          expect(name).toMatch(/^[A-Za-z0-9:._-]+$/);
        }
      }),
    );
  });

  it.each(['', 'a b', 'a*', '{a}', 'a\n', 'ä', 'a'.repeat(65), 7, null, {}])('begin with no %j', (bad) => {
    expect(() => redis('redis://127.0.0.1:1', { prefix: bad as string })).toThrow(/"redis.prefix" must be/);
  });
});

describe('what is told of a server', () => {
  const info = (lines: Record<string, string>) =>
    `# Server\r\n${Object.entries(lines)
      .map(([name, value]) => `${name}:${value}\r\n`)
      .join('')}`;

  it.each([
    [
      'of the tested version, without a limit',
      { redis_version: '7.0.15', maxmemory: '0', maxmemory_policy: 'noeviction' },
    ],
    ['that evicts', { redis_version: '7.2.0', maxmemory: '1000', maxmemory_policy: 'allkeys-lru' }],
    ['of Valkey, which calls itself an old Redis', { redis_version: '6.2.0', valkey_version: '8.0.1' }],
    ['that tells nothing', {}],
  ])('is nothing for one %s', (_what, lines) => {
    expect(adviceFor(info(lines))).toEqual([]);
  });

  it('is that it is old, and that it will be full', () => {
    expect(adviceFor(info({ redis_version: '6.2.19' }))).toEqual([expect.stringContaining('6.2.19')]);
    const full = { redis_version: '10.0.0', maxmemory: '1000', maxmemory_policy: 'noeviction' };
    expect(adviceFor(info(full))).toEqual([expect.stringContaining('allkeys-lru')]);
    // Another setting whose name ends the same says nothing.
    expect(adviceFor(info({ total_maxmemory: '1', maxmemory_policy: 'noeviction' }))).toEqual([]);
  });
});
