import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { END_REASONS, type SessionRecord } from 'lib/model/session.js';
import { type Tombstone, isTombstone, tombstoneOf } from 'lib/session-change.js';
import { userKey } from 'lib/user-key.js';
import { readStored, writeCopy, writeTombstone } from 'lib/stored-session.js';
import { recordOf } from '../cache/records.js';
import { rounds } from '../support/size.js';

const text = fc.string({ unit: 'binary' });
const textOrNull = fc.option(text);
const time = fc.nat({ max: 9_000_000_000_000 });
const timeOrNull = fc.option(time);
/** What JSON gives back: no -0, and keys of any kind, `__proto__` among them. */
const claims = fc
  .dictionary(fc.oneof(text, fc.constantFrom('__proto__', 'constructor', 'toString')), fc.jsonValue())
  .map((value) => JSON.parse(JSON.stringify(value)) as Record<string, unknown>);
const pair = fc.record({
  generation: fc.nat(),
  keyId: text,
  signingKeyId: textOrNull,
  issuedAt: time,
  accessHash: text,
  accessExpiresAt: time,
  refreshHash: textOrNull,
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
    id: text,
    realm: text,
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
    impersonator: textOrNull,
    persistent: fc.boolean(),
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

const FULL = recordOf({
  claims: { roles: ['admin'] },
  superseded: [{ ...recordOf().current, graceUntil: null }],
  bans: [{ service: 'comment', level: 1, comment: null, until: null, at: 1, by: 'root' }],
});
const LIVE = writeCopy({ record: FULL, readAt: 5 });
const TOMB = writeTombstone(
  tombstoneOf({ ...FULL, end: { reason: 'SESSION_KICKED', at: 1, by: 'x', replacedBy: null } })!,
);

/** Every value with one part of its body replaced by what no part may be, taken away or doubled. */
function* spoiled(value: string): Generator<[string, string]> {
  const [, head, json] = /^(.:\d+:\d+:)(.*)$/s.exec(value)!;
  function* at(path: readonly number[], node: unknown): Generator<[string, string]> {
    if (!Array.isArray(node)) return;
    for (const index of node.keys()) {
      const variants: Record<string, (list: unknown[]) => void> = {
        kind: (list) => list.splice(index, 1, typeof list[index] === 'boolean' ? 'text' : true),
        missing: (list) => list.splice(index, 1),
        more: (list) => list.splice(index, 0, list[index]),
      };
      for (const [name, change] of Object.entries(variants)) {
        const body = JSON.parse(json!) as unknown[];
        let list: unknown[] = body;
        for (const step of path) list = list[step] as unknown[];
        change(list);
        yield [`${name} at ${[...path, index].join('.')}`, head! + JSON.stringify(body)];
      }
      yield* at([...path, index], node[index]);
    }
  }
  yield* at([], JSON.parse(json!));
}

describe('what is stored of a session', () => {
  it('is read as it was written, whatever is in it', () => {
    fc.assert(
      fc.property(record, time, (one, readAt) => {
        const stored = writeCopy({ record: one, readAt });
        expect(stored.startsWith(`L:${one.version}:${readAt}:`)).toBe(true);
        expect(readStored(stored)).toEqual({ record: one, readAt });
      }),
      { numRuns: rounds('properties') },
    );
  });

  it('of one that has ended says no more than how, and which tokens it had', () => {
    fc.assert(
      fc.property(record, end, (one, how) => {
        const known = tombstoneOf({ ...one, end: how })!;
        const read = readStored(writeTombstone(known)) as Tombstone;
        expect(isTombstone(read)).toBe(true);
        expect(read).toEqual({ ...known, end: { ...how, by: '' } });
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
    expect(writeTombstone(tombstoneOf({ ...secret, end: how })!)).not.toContain('SECRET');
  });

  it('is nothing where any part of it is of another kind, missing or cut off', () => {
    const cases = [...spoiled(LIVE), ...spoiled(TOMB)];
    expect(cases.length).toBeGreaterThan(150);
    // Superseded tokens, bans and hashes may as well be fewer or more, and a hash may have something behind it.
    const free = /^L (missing|more) at [34](\.0)?$|^T (missing|more) at 3(\.\d)?$|^T more at 3\.\d\.1$/;
    const names = cases.filter(([, value]) => readStored(value) !== null).map(([name, value]) => `${value[0]} ${name}`);
    expect(names.filter((name) => !free.test(name))).toEqual([]);
    for (const value of [LIVE, TOMB]) {
      for (let length = 0; length < value.length; length++) expect(readStored(value.slice(0, length))).toBeNull();
    }
  });

  it.each([
    ['another format', LIVE.replace('[1,', '[2,')],
    ['a format that is text', LIVE.replace('[1,', '["1",')],
    ['another letter', LIVE.replace(/^L/, 'X')],
    ['a small letter', LIVE.replace(/^L/, 'l')],
    ['something before it', ` ${LIVE}`],
    ['something behind it', `${LIVE} x`],
    ['no version', LIVE.replace(/^L:\d+/, 'L:')],
    ['a version below zero', LIVE.replace(/^L:\d+/, 'L:-1')],
    ['a version that is not exact', LIVE.replace(/^L:\d+/, `L:${'9'.repeat(16)}`)],
    ['a reason that nobody gives', TOMB.replace('SESSION_KICKED', 'SESSION_FORGOTTEN')],
    ['the body of the other kind', TOMB.replace(/^T/, 'L')],
    ['the body of the other kind', LIVE.replace(/^L/, 'T')],
    ['an object for a body', 'L:1:1:{"0":1}'],
    ['no body', 'L:1:1:'],
    ['null', 'L:1:1:null'],
    ['a list too deep for JSON', `L:1:1:${'['.repeat(200_000)}`],
    ['claims that are a list', LIVE.replace('{"roles":["admin"]}', '[]')],
    ['claims that are null', LIVE.replace('{"roles":["admin"]}', 'null')],
    ['a time that is no whole number', LIVE.replace('9000000000000000', '1.5')],
    ['a time that is not exact', LIVE.replace('9000000000000000', '1e300')],
  ])('is nothing where it has %s', (_what, value) => {
    expect(readStored(value)).toBeNull();
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
          expect(() => readStored(value)).not.toThrow();
        },
      ),
    );
    const hostile = LIVE.replace(
      '{"roles":["admin"]}',
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}',
    );
    const { record: read } = readStored(hostile) as { record: SessionRecord };
    expect(Object.getPrototypeOf(read.claims)).toBe(Object.prototype);
    expect(Object.getPrototypeOf(read)).toBe(Object.prototype);
    expect((read.claims as { polluted?: unknown }).polluted).toBeUndefined();
    expect([Object.keys(Object.prototype), ({} as { polluted?: unknown }).polluted]).toEqual(before);
  });
});
