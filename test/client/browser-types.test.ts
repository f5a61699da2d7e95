import { describe, expect, it } from '@jest/globals';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compile } from '../support/compile.js';

const folder = fileURLToPath(new URL('../../lib/client', import.meta.url));

const PAGE = `
import { type TabLocks, createSessionClient, webStorage } from '../../lib/client/index.js';
const locks: TabLocks = navigator.locks;
const sessions = createSessionClient({ storage: webStorage(sessionStorage, 'mine'), locks, fetch: window.fetch });
const answer: Promise<Response> = sessions.fetch(new Request('/me'), { keepalive: true });
export const get: typeof fetch = sessions.fetch;
void answer;
`;

/** The globals of a browser, and none of Node. */
const IN_A_PAGE = {
  module: 'esnext',
  moduleResolution: 'bundler',
  lib: ['ES2023', 'DOM', 'DOM.Iterable'],
  types: [],
};

describe('the client in a page', () => {
  it('is typed by what a browser has, and takes what a page has', () => {
    const files = { 'page.ts': PAGE, 'page-of-node.ts': `${PAGE}\nexport const id = process.pid;` };
    expect(compile('page', files, IN_A_PAGE)).toEqual([
      expect.stringMatching(/^page-of-node\.ts\(\d+,\d+\): error TS\d+: .*'process'/),
    ]);
  });

  it('imports nothing but itself', () => {
    const imported = readdirSync(folder).flatMap((name) =>
      [
        ...readFileSync(join(folder, name), 'utf8').matchAll(/\b(?:from|import|import\(|require\() ?'([^']*)'\)?;/g),
      ].map(([, path]) => path!),
    );
    expect(imported.length).toBeGreaterThan(10);
    expect(imported.filter((name) => !/^\.\/[\w-]+\.js$/.test(name))).toEqual([]);
  });
});
