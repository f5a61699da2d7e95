import { describe, expect, it } from '@jest/globals';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type KeptCopy, NearCache } from 'lib/near-cache.js';
import { SynchronizedClock } from 'lib/clock.js';
import { type Claims, toSession } from 'lib/model/session.js';
import { userOf } from 'lib/hidden-classes.js';
import { type GoodAnswer, KnownTokens } from 'lib/known-tokens.js';
import { nearCopyOf, recordOf } from './records.js';

// So that scripts can ask V8; it stays on, since V8 compiles a function when it is called.
setFlagsFromString('--allow-natives-syntax');
const isOfSameClass = runInNewContext('(one, other) => %HaveSameMap(one, other)') as (
  one: object,
  other: object,
) => boolean;

/** More than V8 needs to make its best, or its worst, of code. */
const OBJECTS = 500;

function hiddenClassesOf(objects: readonly object[]): number {
  const classes: object[] = [];
  for (const object of objects) {
    if (!classes.some((known) => isOfSameClass(known, object))) classes.push(object);
  }
  return classes.length;
}

/** Code that reads properties of objects of many hidden classes has to look for each of them, in every request. */
describe('what a request reads of a token and its session', () => {
  it('is told apart by what asks V8', () => {
    const [one, same, other] = ['a', 'a', 'b'].map((name) => Object.fromEntries([[name, 1]])) as [
      object,
      object,
      object,
    ];
    expect([hiddenClassesOf([one, same]), hiddenClassesOf([one, other])]).toEqual([1, 2]);
  });

  it('is of one hidden class for all tokens', () => {
    const tokens = new KnownTokens({
      cache: { counts: () => true },
      clock: new SynchronizedClock(),
      maxEntries: OBJECTS,
      maxLength: 100,
      useIntervalMs: 1000,
    });
    const texts = Array.from({ length: OBJECTS }, (_, index) => `token ${index}`);
    texts.forEach((text, index) => {
      const record = recordOf();
      const answer = { status: 'VALID', session: {} } as unknown as GoodAnswer;
      const until = index % 2 ? Infinity : Date.now() + 1e6 + index / 7;
      // Some are only known to have been made here, and some were used.
      tokens.note(text, index % 5 ? { record, remembered: index % 3 ? { record } : null, answer, until } : null);
      const known = tokens.find(text)!;
      if (tokens.inMemory(known))
        tokens.isNews(known, {
          strict: false,
          ip: index % 2 ? '::1' : undefined,
          activity: index % 4 > 0,
          renew: true,
        });
    });
    const kept = texts.map((text) => tokens.find(text)!);
    expect(kept).toHaveLength(OBJECTS);
    expect(hiddenClassesOf(kept)).toBe(1);
  });

  it('is of one hidden class for all copies in the near cache', () => {
    const cache = new NearCache(OBJECTS);
    const records = Array.from({ length: OBJECTS }, () => recordOf());
    for (const record of records) cache.set({ ...nearCopyOf(record), agesAt: Math.random(), goneAt: 1e6 + 0.5 });
    const kept = records.map(({ id }) => cache.get(id) as KeptCopy);
    expect(hiddenClassesOf(kept)).toBe(1);
  });

  it('is of one hidden class for all users with the same claims, which the handlers of an application read', () => {
    const claims = ['reader', 'writer'].map((role) => ({ role, tenant: { id: role.length } }));
    const sessions = Array.from({ length: OBJECTS }, (_, index) => ({
      ...toSession(recordOf()),
      claims: index % 10 === 0 ? { ...claims[0] } : claims[index % 2]!,
      userId: `user-${index}`,
    }));
    const users = sessions.map(userOf);
    expect(users[3]).toEqual({ role: 'writer', tenant: { id: 6 }, userId: 'user-3' });
    expect(hiddenClassesOf(users)).toBe(1);
  });

  it('a claim with a special name is a property like any other of the user', () => {
    const claims = JSON.parse('{"__proto__":{"admin":true},"userId":"root"}') as Claims;
    const user = userOf({ ...toSession(recordOf()), claims, userId: 'alice' });
    expect([user.userId, 'admin' in user, Object.keys(user)]).toEqual(['alice', false, ['__proto__', 'userId']]);
  });
});
