import { afterAll, describe, expect, it } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../tools/servers/free-port.mjs';
import Database from 'libsql';
import { compile, compiledIn } from '../support/compile.js';
import { until } from '../support/until.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const SECRET = 'a secret of the quick start, of 32 bytes and more';
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const directory = compiledIn('readme');

describe('the quick start of the README', () => {
  const source = /```ts quick-start\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  let app: ChildProcess | undefined;

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
    expect(compile('readme', { 'main.ts': source }, { noEmit: false, rootDir: '.', outDir: 'out' })).toEqual([]);

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
    const file = new Database(join(directory, 'app.sqlite'));
    expect(file.prepare('SELECT id FROM latchkey_node').all()).toEqual([]);
    file.close();
  });
});
