import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { sized } from '../support/size.js';
import { until } from '../support/until.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Says in the log that it runs, and waits while it is to be held. */
const STEP = `
const { appendFileSync, existsSync } = require('node:fs');
const { FIRST_START: root, HOLD: held } = process.env;
exports.step = async (name) => {
  appendFileSync(root + '/log', name + ' ' + process.pid + '\\n');
  while (held === name && !existsSync(root + '/go')) await new Promise((resolve) => setTimeout(resolve, 20));
  appendFileSync(root + '/log', name + ' done\\n');
};
`;

/** Stands in for all packages: it excludes this Node.js, has an install script, and makes the sample application. */
const CLI = {
  'package.json': JSON.stringify({
    name: '@nestjs/cli',
    version: '1.0.0',
    engines: { node: '>=99' },
    scripts: { install: "node -e \"require('./step.js').step('install')\"" },
  }),
  'step.js': STEP,
  'bin/nest.js': `
    const { mkdirSync, writeFileSync } = require('node:fs');
    mkdirSync('dist-sample', { recursive: true });
    writeFileSync('dist-sample/main.js', "import '../dist-sample/rest.js';");
    require('../step.js').step('build').then(() =>
      writeFileSync('dist-sample/rest.js', "console.log('listening', process.env.NODE_ENV); setInterval(() => {}, 1000);"));`,
};

const PROJECT = {
  'package.json': JSON.stringify({
    name: 'clone',
    type: 'module',
    engines: { node: '^20.19.0 || ^22.12.0 || >=24' },
    scripts: { start: 'node tools/start.mjs' },
    devDependencies: { '@nestjs/cli': 'file:cli.tgz' },
    allowScripts: { '@nestjs/cli': true },
  }),
  'tools/build.mjs': `import fs from 'node:fs';
    fs.mkdirSync('dist/cjs', { recursive: true });
    fs.writeFileSync('dist/cjs/package.json', '{}');`,
  ...Object.fromEntries(
    ['tsconfig', 'tsconfig.esm', 'tsconfig.cjs', 'tsconfig.sample', 'nest-cli'].map((name) => [`${name}.json`, '{}']),
  ),
  'lib/index.ts': '',
  'sample-app/main.ts': '',
};

function write(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

describe('the first start on a fresh clone', () => {
  const folder = mkdtempSync(join(tmpdir(), 'first-start-'));
  const template = join(folder, 'template');
  const running: Start[] = [];
  let clones = 0;

  /** Not the settings of the npm that runs the tests. */
  const environment = (root: string, more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => {
    const { PATH, HOME } = process.env;
    return { PATH, HOME, npm_config_offline: 'true', npm_config_cache: `${root}/cache`, FIRST_START: root, ...more };
  };

  class Start {
    stdout = '';
    stderr = '';
    readonly process;
    readonly exited: Promise<number | null>;

    constructor(
      root: string,
      more: NodeJS.ProcessEnv = {},
      { command = [process.execPath, 'tools/start.mjs'], uid = undefined as number | undefined } = {},
    ) {
      this.process = spawn(command[0]!, command.slice(1), {
        cwd: root,
        uid,
        env: environment(root, more),
        stdio: ['ignore', 'pipe', 'pipe'],
        detached: true,
      });
      this.process.stdout.on('data', (data) => (this.stdout += data));
      this.process.stderr.on('data', (data) => (this.stderr += data));
      this.exited = once(this.process, 'exit').then(([code]) => code as number | null);
      running.push(this);
    }

    async listening(): Promise<string> {
      await until(() => this.stdout.includes('\n') || this.process.exitCode !== null, 60_000);
      return this.stdout.trim() || `exit ${this.process.exitCode}: ${this.stderr}`;
    }
  }

  const log = (root: string) => (existsSync(`${root}/log`) ? readFileSync(`${root}/log`, 'utf8') : '');
  const count = (root: string, line: RegExp) => log(root).match(new RegExp(line, 'gm'))?.length ?? 0;
  const isAlive = (pid: number) => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };

  beforeAll(() => {
    write(template, PROJECT);
    cpSync(join(ROOT, 'tools/lib'), join(template, 'tools/lib'), { recursive: true });
    for (const name of ['start', 'prepare', 'build-sample']) {
      cpSync(join(ROOT, `tools/${name}.mjs`), join(template, `tools/${name}.mjs`));
    }
    write(join(folder, 'package'), CLI);
    execFileSync('tar', ['czf', join(template, 'cli.tgz'), 'package'], { cwd: folder });
    const options = { cwd: template, env: environment(template), stdio: 'ignore' } as const;
    execFileSync('npm', ['install', '--package-lock-only', '--no-audit'], options);
    rmSync(join(template, 'cache'), { recursive: true });
  });
  afterEach(async () => {
    for (const { process: child, exited } of running.splice(0)) {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      await exited;
    }
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function clone(): string {
    const root = join(folder, `clone-${++clones}`);
    cpSync(template, root, { recursive: true });
    return root;
  }

  const settings: readonly NodeJS.ProcessEnv[] = [
    { NODE_ENV: 'production' },
    { npm_config_omit: 'dev' },
    { npm_config_production: 'true' },
    { npm_config_engine_strict: 'true' },
    { npm_config_dry_run: 'true', npm_config_global: 'true' },
  ];
  const all: NodeJS.ProcessEnv = Object.assign({}, ...settings);
  it.each(sized([all, ...settings]))('installs all that it needs with %j', async (variables) => {
    const start = new Start(clone(), variables);
    expect(await start.listening()).toBe(`listening ${variables.NODE_ENV}`);
  });

  it('installs and builds once, and again what npm took away', async () => {
    const root = clone();
    const both = [new Start(root), new Start(root)];
    for (const start of both) expect(await start.listening()).toBe('listening undefined');
    expect(count(root, /^install \d/)).toBe(1);
    expect(count(root, /^build \d/)).toBe(1);
    expect(await new Start(root).listening()).toBe('listening undefined');
    expect(log(root).match(/done/g)).toHaveLength(2);
    execFileSync('npm', ['prune', '--omit=dev', '--no-audit'], { cwd: root, env: environment(root), stdio: 'ignore' });
    expect(existsSync(`${root}/node_modules/@nestjs/cli`)).toBe(false);
    expect(await new Start(root).listening()).toBe('listening undefined');
  });

  const ends = [
    ['install', 'SIGKILL'],
    ['build', 'SIGINT'],
    ['install', 'SIGINT'],
    ['build', 'SIGKILL'],
  ] as const;
  it.each(sized(ends, 2))(
    'that ends during the %s by %s takes all along, and the next one starts',
    async (held, signal) => {
      const root = clone();
      const first = new Start(root, { HOLD: held });
      await until(() => log(root).includes(held), 60_000);
      first.process.kill(signal);
      await first.exited;
      const second = new Start(root);
      expect(await second.listening()).toBe('listening undefined');
      const gone = new RegExp(`^${held} (\\d+)$`, 'm').exec(log(root))![1];
      expect(isAlive(Number(gone))).toBe(false);
      writeFileSync(`${root}/go`, '');
      const lines = log(root)
        .split('\n')
        .filter((line) => line.startsWith(held));
      expect(lines).toEqual([`${held} ${gone}`, expect.stringMatching(`^${held} \\d+$`), `${held} done`]);
    },
  );

  it('that npm is told to end while it installs takes all along', async () => {
    const root = clone();
    const first = new Start(root, { HOLD: 'install' }, { command: ['npm', 'start'] });
    await until(() => log(root).includes('install'), 60_000);
    first.process.kill('SIGTERM');
    await until(() => !isAlive(Number(/\d+/.exec(log(root))![0])));
    expect(await new Start(root).listening()).toBe('listening undefined');
  });

  it('waits for processes of an install that outlived its start', async () => {
    const root = clone();
    const orphan = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { detached: true, stdio: 'ignore' });
    writeFileSync(`${root}/.preparing`, String(orphan.pid));
    const start = new Start(root);
    await until(() => start.stderr.includes(`Waiting for another start`));
    expect([log(root), start.stderr]).toEqual(['', expect.stringContaining(`process group ${orphan.pid}`)]);
    orphan.kill('SIGKILL');
    expect(await start.listening()).toBe('listening undefined');
  });

  it.each([
    ['where packages cannot be had', { 'cli.tgz': 'damaged' }, /Packages were not installed: .*\n$/],
    [
      'on a Node.js that is too old',
      { 'package.json': PROJECT['package.json'].replace('^20.19.0 || ^22.12.0 || >=24', '>=99') },
      /^Node\.js [\d.]+ cannot run this: install a version that is >=99, then start again\.\n$/,
    ],
  ])('fails %s, and says why', async (_name, files: Record<string, string>, message) => {
    const root = clone();
    write(root, files);
    const start = new Start(root);
    expect(await start.exited).toBe(1);
    expect([start.stdout, start.stderr]).toEqual(['', expect.stringMatching(message)]);
  });

  it('fails in a folder that may not be written to, in one line', async () => {
    const root = clone();
    for (const path of [folder, root]) chmodSync(path, 0o555);
    const start = new Start(root, {}, { uid: process.getuid!() === 0 ? 65_534 : undefined });
    expect(await start.exited).toBe(1);
    chmodSync(folder, 0o755);
    chmodSync(root, 0o755);
    expect(start.stderr).toMatch(/^This folder cannot be used: EACCES.*\n$/);
  });
});
