import { describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { SESSION_FIELDS } from 'lib/session-fields.js';
import { type CopiedRecord, END_REASONS, type SessionRecord } from 'lib/model/session.js';
import { type Tombstone, isTombstone, tombstoneOf } from 'lib/session-change.js';
import { userKey } from 'lib/user-key.js';
import { StoredSessions } from 'lib/stored-session.js';
import { copiedOf, recordOf } from '../cache/records.js';
import { rounds } from '../support/size.js';

const text = fc.string({ unit: 'binary' });
const textOrNull = fc.option(text);
const time = fc.nat({ max: 9_000_000_000_000 });
const timeOrNull = fc.option(time);
const hex = (length: number) =>
  fc.nat().map((seed) => createHash('sha256').update(`${seed}`).digest('hex').slice(0, length));
/** What JSON gives back: no -0, and keys of any kind, `__proto__` among them. */
const claims = fc
  .dictionary(fc.oneof(text, fc.constantFrom('__proto__', 'constructor', 'toString')), fc.jsonValue())
  .map((value) => JSON.parse(JSON.stringify(value)) as Record<string, unknown>);
const pair = fc.record({
  generation: fc.nat(),
  keyId: text,
  signingKeyId: textOrNull,
  issuedAt: time,
  accessHash: hex(64),
  accessExpiresAt: time,
  refreshHash: fc.option(hex(64)),
  refreshExpiresAt: timeOrNull,
});
const superseded = fc.tuple(pair, timeOrNull).map(([one, graceUntil]) => ({ ...one, graceUntil }));
const ban = fc.record({
  service: textOrNull,
  level: fc.nat(),
  comment: textOrNull,
  until: timeOrNull,
  at: time,
  by: text,
});
const record: fc.Arbitrary<SessionRecord> = fc
  .record({
    id: hex(32),
    realm: fc.constant('users'),
    accountEpoch: fc.nat(),
    realmEpoch: fc.nat(),
    accountVersion: fc.nat(),
    userId: text,
    userName: textOrNull,
    loginMethod: textOrNull,
    deviceType: textOrNull,
    deviceId: textOrNull,
    deviceName: textOrNull,
    ip: textOrNull,
    userAgent: textOrNull,
    claims,
    createdAt: time,
    authenticatedAt: time,
    reauthenticatedAt: timeOrNull,
    amr: fc.array(fc.stringMatching(/^[a-z]+$/), { maxLength: 3 }),
    impersonator: textOrNull,
    persistent: fc.boolean(),
    idleMs: fc.option(fc.nat()),
    refreshMs: fc.option(fc.nat()),
    bans: fc.array(ban, { maxLength: 2 }),
    expiresAt: time,
    lastSeenAt: time,
    lastIp: textOrNull,
    end: fc.constant(null),
    version: fc.nat(),
    nonce: text,
    current: pair,
    superseded: fc.array(superseded, { maxLength: 3 }),
    renewedFrom: textOrNull,
    usableUntil: time,
  })
  .map((one) => ({ ...one, userKey: userKey(one.realm, one.userId) }));
const end = fc.record({ reason: fc.constantFrom(...END_REASONS), at: time, by: text, replacedBy: textOrNull });

const stored = new StoredSessions('users');
const FULL = recordOf({
  claims: { roles: ['admin'] },
  superseded: [{ ...recordOf().current, graceUntil: null }],
  bans: [{ service: 'comment', level: 1, comment: null, until: null, at: 1, by: 'root' }],
});
const DEAD = tombstoneOf({ ...FULL, end: { reason: 'SESSION_KICKED', at: 1, by: 'x', replacedBy: null } })!;
const LIVE = stored.writeCopy({ record: FULL, readAt: 5 });
const TOMB = stored.writeTombstone(DEAD);
const read = (value: string) => stored.read(FULL.id, value);

describe('what is stored of a session', () => {
  it('is read as it was written, whatever is in it', () => {
    fc.assert(
      fc.property(record, time, (one, readAt) => {
        const value = stored.writeCopy({ record: one, readAt });
        expect(value.startsWith(`L:${one.version}:${readAt}:`)).toBe(true);
        expect(stored.read(one.id, value)).toEqual({ record: copiedOf(one), readAt });
      }),
      { numRuns: rounds('properties') },
    );
  });

  it('of one that has ended says no more than how, and which tokens it had', () => {
    fc.assert(
      fc.property(record, end, (one, how) => {
        const known = tombstoneOf({ ...one, end: how })!;
        const found = stored.read(one.id, stored.writeTombstone(known)) as Tombstone;
        expect(isTombstone(found)).toBe(true);
        expect(found).toEqual({ ...known, end: { ...how, by: '' } });
      }),
      { numRuns: rounds('properties') },
    );
    const secret = recordOf({
      userId: 'SECRET',
      ip: 'SECRET',
      claims: { a: 'SECRET' },
      nonce: 'SECRET',
      userKey: 'SECRET',
    });
    const how = { reason: 'SESSION_KICKED', at: 1, by: 'SECRET', replacedBy: null } as const;
    expect(stored.writeTombstone(tombstoneOf({ ...secret, end: how })!)).not.toContain('SECRET');
  });

  it('of a live one has no address, no user agent, and nothing to make tokens of', () => {
    const SECRET = 'SECRET';
    const refreshHash = 'c'.repeat(64);
    const current = { ...FULL.current, refreshHash };
    const value = stored.writeCopy({
      record: recordOf({ ip: SECRET, userAgent: SECRET, lastIp: SECRET, nonce: SECRET, renewedFrom: SECRET, current }),
      readAt: 5,
    });
    expect(value).not.toContain(SECRET);
    for (const encoding of ['hex', 'base64url'] as const) {
      expect(value).not.toContain(Buffer.from(refreshHash, 'hex').toString(encoding));
    }
  });

  it('is nothing where any part of it is another one, missing or cut off', () => {
    const other = recordOf({ id: FULL.id, version: 12, claims: FULL.claims });
    const values = [
      LIVE,
      TOMB,
      stored.writeCopy({ record: other, readAt: 1_796_122_717_324 }),
      stored.writeCopy({ record: { ...FULL, userId: 'bob' }, readAt: 5 }),
    ];
    for (const value of values) {
      expect(read(value)).not.toBeNull();
      for (let at = 0; at < value.length; at++) {
        const [before, here, after] = [value.slice(0, at), value[at]!, value.slice(at + 1)];
        const changed = [here === '1' ? '2' : '1', here === 'a' ? 'b' : 'a', '', here + here, '"', ',', ']'];
        for (const part of changed.filter((one) => one !== here)) {
          expect([before + part + after, read(before + part + after)]).toEqual([before + part + after, null]);
        }
        expect(read(before)).toBeNull();
        // Half of one value, and half of the next.
        for (const next of values) {
          const mixed = before + next.slice(at);
          if (!values.includes(mixed)) expect(read(mixed)).toBeNull();
        }
      }
    }
  });

  it('tells the value of another session, whose reply came in the place of its own', () => {
    for (const value of [LIVE, TOMB]) expect(stored.read(recordOf().id, value)).toBe('foreign');
  });

  it('is nothing for a version with other fields, or with the same fields in another form', () => {
    const { userName, ...rest } = SESSION_FIELDS;
    const others = [
      { ...SESSION_FIELDS, more: { kind: 'number' } },
      { ...SESSION_FIELDS, usableUntil: { kind: 'number' } },
      { ...rest, userName },
      rest,
    ] as const;
    for (const fields of others) {
      const other = new StoredSessions('users', fields);
      expect(other.read(FULL.id, LIVE)).toBeNull();
      expect(read(other.writeCopy({ record: FULL, readAt: 5 }))).toBeNull();
    }
    const extended = new StoredSessions('users', others[0]);
    const more = { ...FULL, more: 7 };
    expect(extended.read(FULL.id, extended.writeCopy({ record: more, readAt: 5 }))).toEqual({
      record: { ...copiedOf(more), more: 7 },
      readAt: 5,
    });
  });

  it.each([
    ['another letter', LIVE.replace(/^L/, 'X')],
    ['a small letter', LIVE.replace(/^L/, 'l')],
    ['something before it', ` ${LIVE}`],
    ['something behind it', `${LIVE} x`],
    ['no version', LIVE.replace(/^L:\d+/, 'L:')],
    ['a version below zero', LIVE.replace(/^L:\d+/, 'L:-1')],
    ['a version that is not exact', LIVE.replace(/^L:\d+/, `L:${'9'.repeat(16)}`)],
    ['the body of the other kind', TOMB.replace(/^T/, 'L')],
    ['the body of the other kind', LIVE.replace(/^L/, 'T')],
    ['an object for a body', 'L:1:1:{"0":1}'],
    ['no body', 'L:1:1:'],
    ['null', 'L:1:1:null'],
    ['a list too deep for JSON', `L:1:1:${'['.repeat(200_000)}`],
  ])('is nothing where it has %s', (_what, value) => {
    expect(read(value)).toBeNull();
  });

  it('never throws, and changes no prototype', () => {
    const before = [Object.keys(Object.prototype), ({} as { polluted?: unknown }).polluted];
    fc.assert(
      fc.property(
        fc.oneof(
          text,
          fc.json().map((json) => `L:1:1:${json}`),
          fc.json().map((json) => `T:1:1:${json}`),
        ),
        (value) => {
          expect(() => read(value)).not.toThrow();
        },
      ),
    );
    const hostile = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}') as object;
    const value = stored.writeCopy({ record: { ...FULL, claims: hostile as SessionRecord['claims'] }, readAt: 5 });
    const { record: found } = read(value) as { record: CopiedRecord };
    expect(Object.getPrototypeOf(found.claims)).toBe(Object.prototype);
    expect(Object.getPrototypeOf(found)).toBe(Object.prototype);
    expect((found.claims as { polluted?: unknown }).polluted).toBeUndefined();
    expect([Object.keys(Object.prototype), ({} as { polluted?: unknown }).polluted]).toEqual(before);
  });
});
