import { describe, expect, it } from '@jest/globals';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { END_REASONS } from 'lib/model/session.js';
import { defaultMessages } from 'lib/session-error.js';
import { HeaderOptions, SessionModuleOptions } from 'lib/session-options.js';
import { compileExamples, pages, readPage, root } from './examples.js';

/** The text without its code blocks, whose brackets and paths mean something else. */
const proseOf = (page: string) => readPage(page).replace(/^```[\s\S]*?^```/gm, '');

function anchorsOf(page: string): ReadonlySet<string> {
  const headings = [...proseOf(page).matchAll(/^#+ (.*)$/gm)].map(([, text]) => text!);
  return new Set(
    headings.map((text) =>
      text
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replace(/\s/g, '-'),
    ),
  );
}

/** Where names without a folder may stand, as in the lists of docs/architecture.md. */
const sourceNames = new Set(
  readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' }).flatMap((path) => [
    path,
    path.split('/').at(-1)!,
  ]),
);

describe.each(pages)('%s', (page) => {
  it('links to files and headings that are there', () => {
    const broken = [...proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target]) => target!)
      .filter((target) => !/^https?:/.test(target))
      .filter((target) => {
        const [path = '', anchor] = target.split('#');
        const file = path === '' ? page : join(page, '..', path);
        if (!existsSync(join(root, file))) return true;
        return anchor !== undefined && !anchorsOf(file).has(anchor);
      });
    expect(broken).toEqual([]);
  });

  it('names files that are there', () => {
    const named = [
      ...proseOf(page).matchAll(/`((?:lib|test|docs|tools|bench|sample-app)\/[\w./-]*|[\w.-]+\.(?:ts|mjs))`/g),
    ];
    const missing = named
      .map(([, name]) => name!)
      .filter((name) => !existsSync(join(root, name)) && !sourceNames.has(name));
    expect(missing).toEqual([]);
  });
});

describe('the examples', () => {
  it('compile against the public API', () => expect(compileExamples()).toEqual([]));
});

describe('docs/architecture.md', () => {
  it('has a place for every room', () => {
    const text = readPage('docs/architecture.md');
    const rooms = readdirSync(join(root, 'lib'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect(rooms.length).toBeGreaterThan(15);
    expect(rooms.filter(({ name }) => !text.includes(`\`${name}/\``))).toEqual([]);
  });
});

describe('docs/end-reasons.md', () => {
  const text = readPage('docs/end-reasons.md');

  it('has every code that an error may have', () => {
    const codes = Object.keys(defaultMessages);
    expect(codes.filter((code) => !text.includes(`| \`${code}\` |`))).toEqual([]);
  });

  it('says of every reason who causes it', () => {
    const table = text.slice(text.indexOf('## Why sessions end'), text.indexOf('### Who learns the reason'));
    expect(END_REASONS.filter((reason) => !table.includes(`| \`${reason}\` |`))).toEqual([]);
  });

  it('names no code that there is not', () => {
    const known = new Set([
      ...Object.keys(defaultMessages),
      'NOT_TOKEN',
      'INVALID_TOKEN',
      'TOKEN_TIMEOUT',
      'BE_REPLACED',
      'KICK_OUT',
      'TOKEN_FREEZE',
      'NO_PREFIX',
    ]);
    const named = [...text.matchAll(/`([A-Z]+_[A-Z_]+|FORBIDDEN)`/g)].map(([, code]) => code!);
    expect(named.filter((code) => !known.has(code))).toEqual([]);
  });
});

describe('docs/promises.md', () => {
  it('has every page of its folder', () => {
    const index = readPage('docs/promises.md');
    const files = readdirSync(join(root, 'docs/promises'));
    expect(files.filter((file) => !index.includes(`](promises/${file})`))).toEqual([]);
  });
});

describe('docs/options.md', () => {
  it('names every option of the module, and every header', () => {
    const names = ['secret', 'database', 'isGlobal', ...Object.keys(new SessionModuleOptions())];
    const table = readPage('docs/options.md');
    // For tests only.
    expect(names.filter((name) => name !== 'clock' && !table.includes(`| \`${name}\` |`))).toEqual([]);
    expect(Object.keys(new HeaderOptions()).filter((name) => !table.includes(name))).toEqual([]);
  });
});
