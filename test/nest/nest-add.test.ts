import { afterAll, describe, expect, it } from '@jest/globals';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { quickStartController } from '../../tools/lib/matrix-application.mjs';
import { freePort } from '../../tools/servers/free-port.mjs';
import { until } from '../support/until.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Inside the project, so that packages are found. */
const home = join(root, '.compiled/nest-add');
const CLI = 'node_modules/@nestjs/cli/bin/nest.js';
const SCHEMATICS = 'node_modules/@angular-devkit/schematics-cli/bin/schematics.js';
const COMPILER = 'node_modules/typescript-7/bin/tsc';
afterAll(() => rmSync(home, { recursive: true, force: true }));

function run(cwd: string, script: string, ...flags: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, script), ...flags], {
    cwd,
    encoding: 'utf8',
  });
  return { status, said: stdout + stderr };
}

/** Compiles `src` to `out`. */
function compile(app: string) {
  const compilerOptions = { rootDir: 'src', outDir: 'out', incremental: false, types: ['node'] };
  const config = { extends: './tsconfig.json', compilerOptions, include: ['src'], exclude: ['**/*.spec.ts'] };
  writeFileSync(join(app, 'tsconfig.out.json'), JSON.stringify(config));
  return run(app, COMPILER, '-p', 'tsconfig.out.json');
}

/** Texts of an application, by path. */
function textsOf(app: string): Record<string, string> {
  const files = readdirSync(app, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
  const paths = files.map((file) => join(file.parentPath, file.name));
  return Object.fromEntries(paths.map((path) => [path.slice(app.length + 1), readFileSync(path, 'utf8')]));
}

describe('nest add, by the Nest CLI', () => {
  let child: ChildProcess | undefined;
  afterAll(() => void child?.kill('SIGKILL'));

  const kinds = ['esm', 'cjs'] as const;
  it.each(kinds)('prepares a new application (%s), which then does what the quick start says', async (type) => {
    const app = join(home, type);
    rmSync(app, { recursive: true, force: true });
    mkdirSync(home, { recursive: true });
    const made = run(
      home,
      SCHEMATICS,
      '@nestjs/schematics:application',
      `--name=${type}`,
      `--type=${type}`,
      '--no-interactive',
    );
    expect(made).toMatchObject({ status: 0 });
    mkdirSync(join(app, 'node_modules'));
    // As it is installed: found by its name and its package.json alone.
    symlinkSync(root, join(app, 'node_modules/nestjs-latchkey'));
    const add = (...flags: string[]) => run(app, CLI, 'add', 'nestjs-latchkey', '--skip-install', ...flags);

    const before = textsOf(app);
    expect(add('--dry-run')).toMatchObject({ status: 0, said: expect.stringContaining('UPDATE') });
    expect(textsOf(app)).toEqual(before);

    expect(add()).toMatchObject({ status: 0, said: expect.stringContaining('Set SESSION_SECRET') });
    const after = textsOf(app);
    const changed = Object.keys(after).filter((file) => after[file] !== before[file]);
    expect(changed.toSorted()).toEqual(['package.json', 'src/app.module.ts', 'src/main.ts']);

    expect(add()).toMatchObject({ status: 0, said: expect.stringContaining('Nothing to be done') });
    expect(textsOf(app)).toEqual(after);

    writeFileSync(join(app, 'src/app.controller.ts'), quickStartController());
    expect(compile(app)).toEqual({ status: 0, said: '' });

    const port = await freePort();
    const env = { ...process.env, PORT: String(port), SESSION_SECRET: 'a secret of nest add, of 32 bytes and more' };
    child = spawn(process.execPath, ['out/main.js'], { cwd: app, env, stdio: ['ignore', 'ignore', 'inherit'] });
    const ended = new Promise((resolve) => child!.once('exit', resolve));
    const call = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${port}${path}`, init);
    await until(() =>
      call('/me').then(
        () => true,
        () => child!.exitCode !== null,
      ),
    );
    const { accessToken } = (await (await call('/login/alice', { method: 'POST' })).json()) as { accessToken: string };
    const me = await call('/me', { headers: { authorization: `Bearer ${accessToken}` } });
    expect([me.status, await me.json()]).toEqual([200, { userId: 'alice', name: 'alice' }]);
    child.kill('SIGTERM');
    await ended;
    expect(existsSync(join(app, 'app.sqlite'))).toBe(true);
  });
});
