import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll } from '@jest/globals';
import type { DatabaseKind, TestDatabase } from '../support/databases.js';

const MAIN = fileURLToPath(new URL('../../dist-sample/main.js', import.meta.url));
/** Loads rows as `npm run demo:load` does. */
export const LOAD = bundled('demo-load', fileURLToPath(new URL('../../tools/demo/main.mjs', import.meta.url)));
const START_DEADLINE_MS = 120_000;

/** Where the whole suite runs with Redis. */
const redisOfRun: NodeJS.ProcessEnv = process.env.TEST_SUITE_REDIS_URL
  ? { REDIS_URL: process.env.TEST_SUITE_REDIS_URL }
  : {};

export type Variables = Readonly<Record<string, string>>;

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
  /** Parsed JSON; undefined for anything else. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look into it and compare
  readonly body: any;
}

export const refusal = (status: number, errorCode: string) => ({ status, body: { errorCode } });

export interface RequestOptions {
  readonly token?: string;
  /** Sent as JSON; text is sent as it is. */
  readonly body?: unknown;
  readonly headers?: http.OutgoingHttpHeaders;
}

export interface Login {
  readonly accessToken: string;
  /** Seconds. */
  readonly expiresIn: number;
  /** In the modes that have them; where a test reads it in another, the answer is a refusal. */
  readonly refreshToken: string;
  readonly refreshExpiresIn: number;
  readonly sessionId: string;
  readonly ended: readonly { readonly sessionId: string; readonly reason: string }[];
}

/** Processes of the sample application, with their databases and directories; `close` in afterAll ends and removes them. */
export class SampleApps {
  private readonly apps: SampleApp[] = [];
  private readonly directories: string[] = [];
  private readonly databases: TestDatabase[] = [];

  /** @param main what is run; by default the one file, if there is one */
  constructor(private readonly main = bundled('main', MAIN)) {}

  /** Of the files that `npm start` runs. */
  static asBuilt(): SampleApps {
    return new SampleApps(MAIN);
  }

  directory(): string {
    const directory = mkdtempSync(join(tmpdir(), 'sample-app-'));
    this.directories.push(directory);
    return directory;
  }

  async database({ create }: DatabaseKind): Promise<TestDatabase> {
    const database = await create();
    this.databases.push(database);
    return database;
  }

  async start(variables: Variables = {}, directory = this.directory()): Promise<SampleApp> {
    const app = this.spawn(variables, directory);
    await app.listening();
    return app;
  }

  /** Starts one that may or may not come up. */
  spawn(variables: Variables = {}, directory = this.directory()): SampleApp {
    const app = new SampleApp(this.main, { PORT: '0', SCRYPT_COST: '4', ...variables }, directory);
    this.apps.push(app);
    return app;
  }

  async close(): Promise<void> {
    await Promise.all(this.apps.map((app) => app.end('SIGKILL')));
    await Promise.all(this.databases.map((database) => database.drop()));
    for (const directory of this.directories) rmSync(directory, { recursive: true, force: true });
  }
}

/** A program in one file, which takes half as much to start; `npm test` makes it, and a build of either part removes it. */
function bundled(name: string, program: string): string {
  const file = fileURLToPath(new URL(`../../dist-sample/bundled/${name}.js`, import.meta.url));
  return existsSync(file) ? file : program;
}

export function useSampleApps(apps = new SampleApps()): SampleApps {
  afterAll(() => apps.close());
  return apps;
}

/** One application for the tests of a block, on a database of its own where a kind is given. */
export function useSampleApp(variables: Variables = {}, kind?: DatabaseKind): SampleApp {
  const apps = useSampleApps();
  const app = {} as SampleApp;
  beforeAll(async () => {
    const url = kind && { DATABASE_URL: (await apps.database(kind)).url };
    Object.setPrototypeOf(app, await apps.start({ ...url, ...variables }));
  });
  return app;
}

export class SampleApp {
  readonly process: ChildProcess;
  stdout = '';
  stderr = '';
  private readonly exited: Promise<number | null>;

  constructor(
    main: string,
    variables: Variables,
    readonly directory: string,
  ) {
    const { PATH, HOME } = process.env;
    this.process = spawn(process.execPath, [main], {
      cwd: directory,
      env: { PATH, HOME, ...redisOfRun, ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.process.stdout!.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.process.stderr!.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.exited = once(this.process, 'close').then(([code]) => code as number | null);
  }

  get port(): number {
    return Number(/^listening on http:\/\/127\.0\.0\.1:(\d+)\n/.exec(this.stdout)?.[1]);
  }

  get hasExited(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  async listening(): Promise<void> {
    await until(() => this.port > 0 || this.hasExited, START_DEADLINE_MS);
    if (!(this.port > 0)) throw new Error(`The sample application did not start:\n${this.stdout}${this.stderr}`);
  }

  /** Resolves with the exit code, null after a signal. */
  exit(): Promise<number | null> {
    return this.exited;
  }

  end(signal: NodeJS.Signals): Promise<number | null> {
    this.process.kill(signal);
    return this.exited;
  }

  /** On a connection of its own. Rejects if the process goes away. */
  send(method: string, path: string, { token, body, headers = {} }: RequestOptions = {}): Promise<Answer> {
    const payload = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    const request = http.request({
      port: this.port,
      host: '127.0.0.1',
      method,
      path,
      agent: false,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(payload !== undefined && {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(payload),
        }),
        ...headers,
      },
    });
    return new Promise((resolve, reject) => {
      request.on('error', reject).on('response', (response) => {
        readAnswer(response).then(resolve, reject);
      });
      request.end(payload);
    });
  }

  get(path: string, token?: string): Promise<Answer> {
    return this.send('GET', path, { token });
  }

  post(path: string, body?: unknown, token?: string): Promise<Answer> {
    return this.send('POST', path, { body, token });
  }

  put(path: string, body: unknown, token: string): Promise<Answer> {
    return this.send('PUT', path, { body, token });
  }

  refresh(refreshToken: string): Promise<Answer> {
    return this.post('/auth/refresh', { refreshToken });
  }

  delete(path: string, token?: string): Promise<Answer> {
    return this.send('DELETE', path, { token });
  }

  async login(username: string, device: object = {}, token?: string): Promise<Login> {
    const password = username.startsWith('user') ? 'password' : `${username}-password`;
    const answer = await this.post('/auth/login', { username, password, ...device }, token);
    if (answer.status !== 200) throw new Error(`The login of ${username} was answered ${answer.status} ${answer.text}`);
    return answer.body as Login;
  }
}

export async function until(condition: () => unknown, deadlineMs = 60_000): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`Not so within ${deadlineMs} ms: ${condition.toString()}`);
    await pause(5);
  }
}

async function readAnswer(response: http.IncomingMessage): Promise<Answer> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  const isJson = response.headers['content-type']?.startsWith('application/json') && text !== '';
  return {
    status: response.statusCode!,
    headers: response.headers,
    text,
    body: isJson ? (JSON.parse(text) as unknown) : undefined,
  };
}
