import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compile } from '../support/compile.js';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export const pages: readonly string[] = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'sample-app/README.md',
  'examples/README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name).replaceAll('\\', '/'))
    .sort(),
];

export const readPage = (page: string) => readFileSync(join(root, page), 'utf8');

export function codeBlocks(
  page: string,
  language: string,
): readonly { readonly line: number; readonly text: string }[] {
  const text = readPage(page);
  return [...text.matchAll(/^```(\S*).*\n([\s\S]*?)^```/gm)]
    .filter(([, name]) => name === language)
    .map((match) => ({ line: text.slice(0, match.index).split('\n').length + 1, text: match[2]! }));
}

/** What the compiler says of the TypeScript blocks of all pages, each a module of its own, which has the built package. */
export function compileExamples(): readonly string[] {
  const places = new Map<string, { readonly page: string; readonly line: number }>();
  const files: Record<string, string> = { 'untyped.d.ts': readPage('test/migration/untyped.d.ts') };
  for (const page of pages) {
    codeBlocks(page, 'ts').forEach(({ line, text }, index) => {
      const file = `${page.replaceAll('/', '-')}-${index}.ts`;
      places.set(file, { page, line });
      files[file] = text;
    });
  }
  // What an example gives to its reader, it does not use itself.
  return compile('examples', files, { noUnusedLocals: false }).map((problem) => {
    const [, file, line, text] = /^(.*)\((\d+),\d+\): (.*)$/.exec(problem) ?? [];
    const place = places.get(file!);
    return place ? `${place.page}:${place.line + Number(line) - 1} ${text}` : problem;
  });
}
