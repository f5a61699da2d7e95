import { execFileSync, spawn } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { freePort } from '../servers/free-port.mjs';

const ROOT = path.join(import.meta.dirname, '../..');
const PATIENCE_MS = 120_000;
const readme = readFileSync(path.join(ROOT, 'README.md'), 'utf8');

/** Lines of the block of a page that has this text. */
export function linesOf(page, text) {
  const blocks = [...readFileSync(path.join(ROOT, page), 'utf8').matchAll(/^```(\S*).*\n([\s\S]*?)^```/gm)];
  const found = blocks.find(([, , block]) => block.includes(text));
  if (!found) throw new Error(`${page} has no block with ${text}`);
  return found[2];
}

export const quickStart = /```ts quick-start\n([\s\S]*?)```/.exec(readme)[1];

/** The controller of the quick start as a file of its own, for a module that has what is above it. */
export function quickStartController() {
  const [, common, controller] = /^import (.*@nestjs\/common';)[^]*^@Controller\(\)\n(class [^]*?^\}\n)/m.exec(
    quickStart,
  );
  return `import ${common.replace('Module, ', '')}
import { AuthGuard, CurrentUser, TokenService } from 'nestjs-latchkey';
@Controller()
export ${controller}`;
}

/** The line of the README under a comment that begins so. */
export function installLine(comment) {
  const lines = linesOf('README.md', '# NestJS 12').split('\n');
  return lines[lines.findIndex((line) => line.startsWith(comment)) + 1];
}

/** What `npm run` sets for this project must not reach another one. */
const inherited = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) =>
      !/^(npm_(package|lifecycle|command|execpath|node)|npm_config_(local|global)_prefix|INIT_CWD|NODE_OPTIONS)/.test(
        name,
      ),
  ),
);

/** Packs the library as it would be published. @returns the path of the tarball */
export function npmPack(folder) {
  const packed = execFileSync('npm', ['pack', '--json', '--pack-destination', folder], { cwd: ROOT, encoding: 'utf8' });
  return path.join(folder, Object.values(JSON.parse(packed))[0].filename);
}

/** One application of the matrix, in a folder of its own. */
export class Application {
  folder;
  env = { ...inherited, CI: '1', npm_config_fund: 'false', npm_config_audit: 'false' };
  #running = [];
  #log;

  constructor(home, name, tarball) {
    this.home = home;
    this.name = name;
    this.tarball = tarball;
    this.folder = path.join(home, name);
    this.#log = createWriteStream(path.join(home, `${name}.log`));
  }

  /** Runs a line of a shell; what it installs of the library is the tarball. @throws Error with the last that it says */
  async sh(line, { cwd = this.folder, env = {} } = {}) {
    mkdirSync(cwd, { recursive: true });
    const command = line.replace(
      /(install|(?<!nest )add|add --ignore-engines) nestjs-latchkey\b/,
      `$1 ${this.tarball}`,
    );
    this.#log.write(`\n$ ${command}\n`);
    const child = spawn('bash', ['-c', command], {
      cwd,
      env: { ...this.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data) => {
        said += data;
        this.#log.write(data);
      });
    }
    const code = await new Promise((resolve) => child.on('close', resolve));
    if (code !== 0) throw new Error(`${line}: ${said.trim().split('\n').slice(-12).join(' / ')}`);
    return said;
  }

  write(file, text) {
    const target = path.join(this.folder, file);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, text);
  }

  read(file) {
    return readFileSync(path.join(this.folder, file), 'utf8');
  }

  copy(from, to) {
    this.write(to, readFileSync(path.join(ROOT, from), 'utf8'));
  }

  /** Begins as a copy of another application, which `make` makes once. */
  async from(name, make) {
    const source = new Application(this.home, name, this.tarball);
    source.env = this.env;
    if (!existsSync(path.join(this.home, `${name}.made`))) {
      rmSync(source.folder, { recursive: true, force: true });
      await make(source);
      writeFileSync(path.join(this.home, `${name}.made`), '');
    }
    rmSync(this.folder, { recursive: true, force: true });
    await this.sh(`cp -a ${source.folder}/. .`);
  }

  /** Starts the application by a line of a shell, and does with it what the README says under its quick start. */
  async serves(line = 'npm start', env = {}) {
    const port = await freePort();
    this.#log.write(`\n$ ${line}\n`);
    const secret = /^export .*$/m.exec(linesOf('README.md', 'export SESSION_SECRET'))[0];
    const child = spawn('bash', ['-c', `${secret}\n${line}`], {
      cwd: this.folder,
      env: { ...this.env, PORT: String(port), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, to be ended as one.
      detached: true,
    });
    this.#running.push(child);
    for (const stream of [child.stdout, child.stderr]) stream.pipe(this.#log, { end: false });
    const call = (route, init) => fetch(`http://localhost:${port}${route}`, init);
    const deadline = performance.now() + PATIENCE_MS;
    while (!(await call('/me').then(Boolean, () => false))) {
      if (child.exitCode !== null || performance.now() > deadline)
        throw new Error(`${line}: does not listen, see the log`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const login = async () => (await (await call('/login/alice', { method: 'POST' })).json()).accessToken;
    const me = async (token) => {
      const answer = await call('/me', { headers: { Authorization: `Bearer ${token}` } });
      return JSON.stringify([answer.status, await answer.json()]);
    };
    const first = await login();
    const expected = [[await me(first), '[200,{"name":"alice","userId":"alice"}]']];
    const second = await login();
    const refused = await me(first);
    expected.push([await me(second), '[200,{"name":"alice","userId":"alice"}]']);
    for (const [answer, good] of expected) if (answer !== good) throw new Error(`/me answers ${answer}`);
    if (!/^\[401,.*"SESSION_REPLACED"/.test(refused)) throw new Error(`the replaced session gets ${refused}`);
    await this.stop();
  }

  async stop() {
    for (const child of this.#running.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const closed = new Promise((resolve) => child.on('close', resolve));
      process.kill(-child.pid, 'SIGTERM');
      await closed;
    }
  }
}
