import { describe, expect, it } from '@jest/globals';
import { readFileSync, readdirSync } from 'node:fs';
import { EVENT_TYPES } from 'lib/contract.js';
import { en } from 'lib/en.js';
import { fill, placeholders } from 'lib/format.js';
import { chooseLanguage, nameOf, translator } from 'lib/language.js';
import { zh } from 'lib/zh.js';
import { END_REASONS } from 'lib/model/session.js';

const keys = Object.keys(en) as (keyof typeof en)[];

describe('the texts', () => {
  it('are there in both languages, in the same order', () => {
    expect(Object.keys(zh)).toEqual(keys);
    expect(keys.filter((key) => en[key].trim() === '' || zh[key].trim() === '')).toEqual([]);
  });

  it.each(keys)('have the same placeholders: %s', (key) => {
    expect(placeholders(zh[key])).toEqual(placeholders(en[key]));
    for (const form of en[key].split('|')) expect(placeholders(form)).toEqual(placeholders(en[key]));
  });

  it('are in Chinese where they are not only a number', () => {
    expect(keys.filter((key) => key !== 'figure' && !/\p{Script=Han}/u.test(zh[key]))).toEqual([]);
  });

  it('name every end reason and every type of event', () => {
    const named = [...END_REASONS.map((code) => `reason.${code}`), ...EVENT_TYPES.map((type) => `event.${type}`)];
    expect(named.filter((key) => !(key in en))).toEqual([]);
  });

  it('are all used', () => {
    const folder = new URL('../../lib/console/', import.meta.url);
    const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((path) => /\.tsx?$/.test(path) && !path.startsWith('text'))
      .map((path) => readFileSync(new URL(path, folder), 'utf8'))
      .join('\n');
    const computed = /^(?:reason|event|live|range)\./;
    expect(keys.filter((key) => !computed.test(key) && !sources.includes(`'${key}'`))).toEqual([]);
  });
});

describe('a text', () => {
  it('has a form for one and a form for more', () => {
    const forms = [0, 1, 2].map((n) => fill('{n} session|{n} sessions', { n }));
    expect(forms).toEqual(['0 sessions', '1 session', '2 sessions']);
  });

  it('writes numbers as the reader does', () => {
    expect(translator('en', 'de-DE')('nSelected', { n: 12_345 })).toBe('12.345 selected');
  });

  it('takes what it is given as it stands', () => {
    expect(fill('{a} and {b}', { a: '{b}', b: '$& <b>' })).toBe('{b} and $& <b>');
    expect(fill('{a} {c}', { a: '1|2' })).toBe('1|2 {c}');
  });

  it('is the code itself where the server knows more codes than the console', () => {
    expect(nameOf(translator('zh', 'zh'), 'reason', 'SESSION_LOST')).toBe('SESSION_LOST');
  });
});

describe('the language', () => {
  it.each([
    [null, ['zh-TW', 'en'], 'zh'],
    [null, ['fr-FR', 'en-GB'], 'en'],
    [null, ['fr'], 'en'],
    ['en', ['zh'], 'en'],
    ['constructor', ['zh'], 'zh'],
  ] as const)('chosen %s, wanted %s: %s', (stored, wanted, language) => {
    expect(chooseLanguage(stored, wanted)).toBe(language);
  });
});
