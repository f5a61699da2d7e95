import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formatRoute, parseRoute } from 'lib/hash-route.js';
import { fromLocalInput, toLocalInput } from 'lib/local-input.js';
import { imageUrl } from 'lib/safe-url.js';

const wellFormed = (text: string): string => text.replace(/\p{Surrogate}/gu, '\uFFFD');
const text = fc.string({ unit: 'binary' }).map(wellFormed);
const part = text.filter((each) => each !== '');

describe('the fragment of the address', () => {
  it('says path and filters so that the same can be read from it', () => {
    const query = fc.dictionary(part, part, { noNullPrototype: true });
    fc.assert(
      fc.property(fc.array(part, { maxLength: 3 }), query, (path, filters) => {
        expect(parseRoute(formatRoute(path, filters))).toEqual({ path, query: filters });
      }),
    );
  });

  it('survives what a browser does to an address', () => {
    fc.assert(
      fc.property(part, part, (userId, q) => {
        const hash = new URL(formatRoute(['user', userId], { q }), 'https://example.org/admin').hash;
        expect(parseRoute(hash)).toEqual({ path: ['user', userId], query: { q } });
      }),
    );
  });

  it('leaves out filters that are empty', () => {
    expect(formatRoute(['online'], { q: '', ip: undefined })).toBe('#/online');
    expect(parseRoute('#/online?q=&ip=10.0.0.1').query).toEqual({ ip: '10.0.0.1' });
  });

  it('takes any fragment, as somebody may type one', () => {
    fc.assert(fc.property(fc.string(), (hash) => void parseRoute(hash)));
    expect(parseRoute('#/user/%E0%A4')).toEqual({ path: ['user', '%E0%A4'], query: {} });
    expect(parseRoute('')).toEqual({ path: [], query: {} });
  });
});

describe('an input of a local time', () => {
  it('gives back the minute that it was given', () => {
    const minutes = fc.integer({ min: 0, max: 66_000_000 });
    fc.assert(
      fc.property(minutes, (minute) => {
        const iso = new Date(minute * 60_000).toISOString();
        expect(toLocalInput(fromLocalInput(toLocalInput(iso)))).toBe(toLocalInput(iso));
      }),
    );
    expect(fromLocalInput(toLocalInput('2026-05-04T10:20:30.400Z'))).toBe('2026-05-04T10:20:00.000Z');
  });

  it('is empty for what is no time', () => {
    expect([toLocalInput(undefined), toLocalInput('soon'), fromLocalInput(''), fromLocalInput('2026-13')]).toEqual([
      '',
      '',
      '',
      '',
    ]);
  });
});

describe('the picture of an account', () => {
  it.each(['https://example.org/a.png', 'HTTPS://example.org/a.png', 'data:image/png;base64,AA=='])(
    'may be %s',
    (url) => {
      expect(imageUrl(url)).toBe(url);
    },
  );

  it.each([
    null,
    '',
    'http://example.org/a.png',
    'javascript:alert(1)',
    ' https://example.org/a.png',
    'data:text/html,<script>alert(1)</script>',
    'data:image/svg+xml,<svg onload="alert(1)"/>',
    'https://',
    '//example.org/a.png',
  ])('may not be %s', (url) => expect(imageUrl(url)).toBeUndefined());
});
