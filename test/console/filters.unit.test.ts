import { describe, expect, it } from '@jest/globals';
import { END_EVERYTHING } from 'lib/admin-requests.js';
import { END_EVERYTHING as TYPED, type EventItem } from 'lib/contract.js';
import { eventMayBelong } from 'lib/event-filter.js';
import { advance, isConfirmed, kickBodies, type KickTarget, NOTHING_DONE } from 'lib/kick-work.js';
import { kickFilter, mayBelong } from 'lib/console/shared/logic/online-filter.js';

const login: EventItem = {
  id: '7',
  at: '2026-05-04T10:00:00.000Z',
  type: 'LOGIN',
  userId: '42',
  username: 'Alice',
  sessionId: 's',
  reason: null,
  actor: null,
  ip: '203.0.113.7',
  deviceType: 'phone',
  deviceName: 'Pixel',
  ended: null,
  detail: null,
};

it('has the words typed that the server wants before it ends everything', () => expect(TYPED).toBe(END_EVERYTHING));

describe('a kick of all that match', () => {
  it('sends the filters of the list, and nothing that is not one', () => {
    const query = { q: 'al', ip: '10.0.0.0/8', sort: 'user', cursor: 'c' };
    expect(kickFilter(query)).toEqual({ q: 'al', ip: '10.0.0.0/8' });
  });

  it('says that it means all where there is no filter', () => {
    expect(kickFilter({ sort: 'user', cursor: 'c' })).toEqual({ all: true });
  });
});

describe('a kick of many', () => {
  it.each([
    [1, '', true],
    [100, '', true],
    [101, '', false],
    [101, '100', false],
    [1_000_001, '1000001', true],
    [1_000_001, ' 1,000,001 ', true],
    [1_000_001, '1.000.001', true],
    [1_000_001, '10000010', false],
    [1_000_001, 'all', false],
  ])('of %d sessions is confirmed by %j: %s', (n, typed, confirmed) => expect(isConfirmed(n, typed)).toBe(confirmed));

  it('sends who is meant, and not the words for it', () => {
    const [order] = kickBodies({ filter: { q: 'a' }, whom: 'Search: a' } as KickTarget);
    expect(order).toEqual({ filter: { q: 'a' } });
  });

  it('names at most a thousand sessions in a request, each once', () => {
    const sessionIds = Array.from({ length: 2500 }, (_, index) => String(index));
    const bodies = kickBodies({ sessionIds }).map((body) => ('sessionIds' in body ? body.sessionIds : []));
    expect(bodies.map((ids) => ids.length)).toEqual([1000, 1000, 500]);
    expect(bodies.flat()).toEqual(sessionIds);
    expect(kickBodies({ filter: { all: true } })).toEqual([{ filter: { all: true } }]);
  });

  it('counts over all its requests', () => {
    const lines = [
      [{ matching: 3 }, { done: 1, ended: 1 }, { done: 3, ended: 2, pending: 1, finished: true }],
      [{ matching: 2 }, { done: 1, ended: 1, error: 'gone', finished: true }],
    ];
    let before = NOTHING_DONE;
    for (const request of lines) {
      let now = before;
      for (const each of request) now = advance(before, each, now);
      before = now;
    }
    expect(before).toEqual({ matching: 5, done: 4, ended: 3, pending: 1, error: 'gone' });
  });
});

describe('a login that has just come', () => {
  it.each([
    [{}, true],
    [{ q: 'ALI' }, true],
    [{ q: '203.0.113' }, true],
    [{ q: 'lice' }, false],
    [{ userId: '4' }, false],
    [{ userId: '42', deviceType: 'phone' }, true],
    [{ deviceType: 'web' }, false],
    [{ ip: '203.0.113.8' }, false],
    [{ ip: '203.0.113.0/24' }, true],
    [{ ip: '203.0.113.7:51234' }, true],
    [{ ip: '2001:DB8::1' }, true],
    [{ q: '2001:DB8::1' }, true],
    [{ deviceType: 'Phone' }, true],
    [{ createdTo: '2026-05-04T09:00:00.000Z' }, false],
    [{ seenTo: '2026-05-04T09:00:00.000Z' }, false],
    [{ loginMethod: 'sms' }, true],
  ])('with the filters %j belongs into the list: %s', (query, belongs) => {
    expect(mayBelong(login, query as Record<string, string>)).toBe(belongs);
  });

  it('is a login or an impersonation', () => {
    const types = ['LOGIN', 'IMPERSONATION', 'LOGIN_FAILED', 'SESSION_ENDED'];
    expect(types.map((type) => mayBelong({ ...login, type }, {}))).toEqual([true, true, false, false]);
  });
});

describe('an event that has just come', () => {
  it.each([
    [{}, true],
    [{ type: 'LOGIN', sessionId: 's' }, true],
    [{ type: 'BANNED' }, false],
    [{ userId: '43' }, false],
    [{ sessionId: 'x' }, false],
    [{ ip: '203.0.113.8' }, false],
    [{ ip: '203.0.113.0/24' }, true],
    [{ ip: '2001:DB8::1' }, true],
    [{ to: '2026-05-04T09:59:00.000Z' }, false],
    [{ to: '2026-05-04T10:01:00.000Z' }, true],
  ])('with the filters %j belongs into the list: %s', (query, belongs) => {
    expect(eventMayBelong(login, query as Record<string, string>)).toBe(belongs);
  });
});
