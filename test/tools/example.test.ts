import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';
import { until } from '../support/until.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const names = readdirSync(join(ROOT, 'examples')).filter((name) => existsSync(join(ROOT, `examples/${name}/main.ts`)));

const started: ChildProcess[] = [];
afterEach(() => started.splice(0).forEach((child) => child.kill('SIGTERM')));

/** Runs a command in the project, and collects what it says. */
function start(command: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(command[0]!, command.slice(1), {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  const run = { child, said: '', exited: once(child, 'exit') };
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (run.said += data));
  return run;
}

const tool = (...more: string[]) => [process.execPath, 'tools/example.mjs', ...more];

describe('npm run example', () => {
  it('runs one, which ends when npm is told to end', async () => {
    const run = start(['npm', 'run', '--silent', 'example', '--', 'sse'], { PORT: '0' });
    const listens = /^listening on (http:\S+)$/m;
    await until(() => listens.test(run.said) || run.child.exitCode !== null, 60_000);
    const url = listens.exec(run.said)?.[1] ?? run.said;
    const login = () => fetch(`${url}/login/alice`, { method: 'POST' });
    expect((await login()).status).toBe(201);
    run.child.kill('SIGTERM');
    await run.exited;
    await until(() =>
      login().then(
        () => false,
        () => true,
      ),
    );
  });

  it.each([
    [[], `Name an example: npm run example -- NAME, where NAME is one of ${names.join(', ')}.\n`],
    [['nothing'], `There is no example nothing: npm run example -- NAME, where NAME is one of ${names.join(', ')}.\n`],
  ])('with %j says which there are', async (given, said) => {
    const run = start(tool(...given));
    expect([await run.exited, run.said]).toEqual([[1, null], said]);
  });

  it.each(['PORT', 'TCP_PORT'])('names %s if that is in use or wrong', async (variable) => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const { port } = server.address() as AddressInfo;
      const busy = start(tool('microservice'), { PORT: '0', [variable]: String(port) });
      expect((await busy.exited)[0]).toBe(1);
      expect(busy.said).toBe(
        `Port ${port} is in use. Stop what listens there, or choose another: ${variable}=${port + 10} npm run example -- microservice\n`,
      );
      const wrong = start(tool('microservice'), { PORT: '0', [variable]: 'x' });
      expect((await wrong.exited)[0]).toBe(1);
      expect(wrong.said).toBe(`${variable} must be a port, from 0 to 65535, but is x.\n`);
    } finally {
      server.close();
    }
  });
});

it('examples/README.md has every example, and no other', () => {
  const text = readFileSync(join(ROOT, 'examples/README.md'), 'utf8');
  expect([...text.matchAll(/^\| `([\w-]+)` \|/gm)].map(([, name]) => name)).toEqual(names);
});
