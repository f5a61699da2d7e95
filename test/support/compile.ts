import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const COMPILER = join(root, 'node_modules/typescript-7/bin/tsc');

/** Inside the project, so that the name of the package leads to what was built. */
export const compiledIn = (name: string) => join(root, '.compiled', name);

/**
 * Compiles files in `.compiled/<name>`, which the caller may remove, with the options of the project and others.
 *
 * @returns what the compiler says, `file(line,column): error ...`, one line each
 */
export function compile(name: string, files: Readonly<Record<string, string>>, options: object): readonly string[] {
  const directory = compiledIn(name);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const compilerOptions = { paths: {}, rootDir: '../..', declaration: false, ...options };
  const config = { extends: '../../tsconfig.json', compilerOptions, files: Object.keys(files), include: [] };
  for (const [file, text] of Object.entries({ ...files, 'tsconfig.json': JSON.stringify(config) })) {
    writeFileSync(join(directory, file), text);
  }
  const { stdout } = spawnSync(process.execPath, [COMPILER, '-p', directory], { cwd: directory, encoding: 'utf8' });
  return stdout.split('\n').filter((line) => line !== '');
}
