import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../tools/servers/free-port.mjs';
import { DataSource } from 'typeorm';
import { sqliteOptions } from '../support/databases.js';
import { SECRET } from '../support/sessions.js';
import { until } from '../support/until.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
// Inside the project, so that the package's own name resolves to what was built.
const directory = join(root, '.quick-start');

describe('the quick start of the README', () => {
  const source = /```ts quick-start\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  let app: ChildProcess | undefined;

  beforeAll(() => {
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory);
  });

  /** As a supervisor does, or `docker stop`. */
  const stop = async () => {
    if (!app || app.exitCode !== null || app.signalCode !== null) return;
    const ended = new Promise((resolve) => app!.once('exit', resolve));
    app.kill('SIGTERM');
    await ended;
  };

  afterAll(async () => {
    await stop();
    rmSync(directory, { recursive: true, force: true });
  });

  it('has about twenty lines, compiles strictly, and does what is said under it', async () => {
    const lines = source.split('\n').filter((line) => line.trim() !== '' && !line.trim().startsWith('//'));
    expect(lines.length).toBeGreaterThan(5);
    expect(lines.length).toBeLessThanOrEqual(20);
    writeFileSync(join(directory, 'main.ts'), source);
    const config = {
      extends: '../tsconfig.json',
      compilerOptions: { noEmit: false, rootDir: '.', outDir: 'out', paths: {}, declaration: false },
      include: ['main.ts'],
    };
    writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(config));
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    const compiled = spawnSync(process.execPath, [compiler, '-p', directory], { encoding: 'utf8' });
    expect(compiled.stdout + compiled.stderr).toBe('');

    const port = await freePort();
    const env = { ...process.env, PORT: String(port), SESSION_SECRET: SECRET };
    app = spawn(process.execPath, ['out/main.js'], { cwd: directory, env, stdio: ['ignore', 'ignore', 'inherit'] });
    const call = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${port}${path}`, init);
    await until(() =>
      call('/me').then(
        () => true,
        () => app!.exitCode !== null,
      ),
    );
    const login = async () =>
      (await (await call('/login/alice', { method: 'POST' })).json()) as { accessToken: string };
    const me = async (token: string) => call('/me', { headers: { authorization: `Bearer ${token}` } });
    const [first, second] = [await login(), await login()];
    const refused = await me(first.accessToken);
    expect([refused.status, await refused.json()]).toMatchObject([401, { errorCode: 'SESSION_REPLACED' }]);
    expect(await (await me(second.accessToken)).json()).toEqual({ userId: 'alice', name: 'alice' });
    await stop();
    const file = await new DataSource(sqliteOptions(join(directory, 'app.sqlite'))).initialize();
    expect(await file.query('SELECT id FROM latchkey_node')).toEqual([]);
    await file.destroy();
  });
});
