import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const filesIn = (folder: string, pattern: RegExp) =>
  readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && pattern.test(entry.name) && !entry.parentPath.includes('node_modules'))
    .map((entry) => join(entry.parentPath, entry.name));

function withImports(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  for (const [, path] of readFileSync(file, 'utf8').matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)) {
    const target = join(dirname(file), path!);
    const source = [target.replace(/\.js$/, '.ts'), target].find(existsSync);
    if (source) withImports(source, found);
  }
  return found;
}

describe('unit tests', () => {
  const units = filesIn('test', /\.unit\.test\.ts$/);

  it('are there', () => expect(units.length).toBeGreaterThan(50));

  it.each(units.map((file) => [basename(file), file]))('%s starts no server and no other process', (_name, file) => {
    const reached = [...withImports(file)].filter((path) => !path.startsWith(join(ROOT, 'sample-app')));
    expect(reached.filter((path) => path.startsWith(join(ROOT, 'tools', 'servers')))).toEqual([]);
    for (const path of reached)
      expect(readFileSync(path, 'utf8')).not.toMatch(
        /node:child_process|(database|process)Kinds\)|kindsOf\('(?!sqlite)/,
      );
  });

  it('are refused a server', () => {
    const start = `import('./tools/servers/postgres.mjs').then(({ startPostgres }) => startPostgres())`;
    const run = () =>
      execFileSync(process.execPath, ['--input-type=module', '-e', start], {
        cwd: ROOT,
        env: { ...process.env, TEST_SERVERS: 'none' },
        stdio: 'pipe',
        encoding: 'utf8',
      });
    expect(run).toThrow(/There is no server in unit tests/);
  });
});

describe('the alias of the tests for the inside of the library', () => {
  it('knows every folder', () => {
    const { compilerOptions } = JSON.parse(readFileSync(join(ROOT, 'tsconfig.json'), 'utf8')) as {
      compilerOptions: { paths: Record<string, string[]> };
    };
    const folders = new Set(filesIn('lib', /\.tsx?$/).map((file) => dirname(file)));
    const known = compilerOptions.paths['lib/*']!.map((path) => join(ROOT, dirname(path)));
    expect(known.sort()).toEqual([...folders].sort());
  });
});
