import { describe, expect, it } from '@jest/globals';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = join(root, 'lib/client');

const PAGE = `
import { type TabLocks, createSessionClient, webStorage } from '../../lib/client/index.js';
const locks: TabLocks = navigator.locks;
const sessions = createSessionClient({ storage: webStorage(sessionStorage, 'mine'), locks, fetch: window.fetch });
const answer: Promise<Response> = sessions.fetch(new Request('/me'), { keepalive: true });
export const get: typeof fetch = sessions.fetch;
void answer;
`;

/** What the compiler says where there are the globals of a browser and none of Node. */
function problemsIn(text: string): readonly string[] {
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    lib: ['lib.es2023.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
    types: [],
  };
  const path = join(root, 'test/client/page-of-the-test.ts');
  const host = ts.createCompilerHost(options);
  const [exists, read] = [host.fileExists.bind(host), host.readFile.bind(host)];
  host.fileExists = (name) => name === path || exists(name);
  host.readFile = (name) => (name === path ? text : read(name));
  const program = ts.createProgram([path], options, host);
  return ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '));
}

describe('the client in a page', () => {
  it('is typed by what a browser has, and takes what a page has', () => {
    expect(problemsIn(PAGE)).toEqual([]);
    expect(problemsIn(`${PAGE}\nexport const id = process.pid;`)).toHaveLength(1);
  });

  it('imports nothing but itself', () => {
    const imported = readdirSync(folder).flatMap((name) =>
      ts.preProcessFile(readFileSync(join(folder, name), 'utf8')).importedFiles.map(({ fileName }) => fileName),
    );
    expect(imported.length).toBeGreaterThan(10);
    expect(imported.filter((name) => !/^\.\/[\w-]+\.js$/.test(name))).toEqual([]);
  });
});
