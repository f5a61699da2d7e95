import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { DataSourceOptions } from 'typeorm';
import type { LoginResult, TokenService, Verification } from 'nestjs-latchkey';
import { SECRET } from './sessions.js';

/** A call of a TokenService method in another process. */
export type Call = [method: keyof TokenService, ...args: unknown[]];

/** What came of it: one of the two is there. */
export interface Outcome<T = unknown> {
  readonly value?: T;
  readonly error?: { readonly code: string; readonly message: string; readonly cause: string };
}

export type LoginOutcome = Outcome<LoginResult>;
export type VerifyOutcome = Outcome<Verification>;

export interface NodeOptions {
  readonly database: DataSourceOptions;
  readonly policy: { readonly name: 'singleDevice' | 'multiDevice' | 'oneDevicePerType'; readonly options?: object };
  readonly timing?: object;
  readonly nearCache?: false;
  /** How wrong the clock of the host is. */
  readonly clockOffsetMs?: number;
  readonly tokens?: { readonly name: 'sliding' | 'accessAndRefresh'; readonly options?: object };
  /** In place of the secret of the tests. */
  readonly secret?: string | readonly string[];
  /** Time stands still there until `advance`. Milliseconds since the epoch. */
  readonly clockAt?: number;
  /** Its Redis, null for none; default the one of the run, if there is one. */
  readonly redis?: null | {
    readonly url: string;
    readonly use?: { readonly prefix?: string; readonly timeout?: string };
  };
  /** Whether it answers GET /me with a token, and POST /refresh. */
  readonly http?: boolean;
}

/** A process of its own with a SessionModule in it. */
export class TestNode {
  private next = 0;
  private readonly waiting = new Map<number, (results: Outcome[]) => void>();

  private constructor(
    readonly process: ChildProcess,
    /** Where it answers HTTP, if it does. */
    readonly port: number,
  ) {
    process.on('message', (message: { id: number; results: Outcome[] }) => {
      this.waiting.get(message.id)?.(message.results);
      this.waiting.delete(message.id);
    });
  }

  static start({
    database,
    policy,
    tokens,
    clockAt,
    http,
    redis,
    clockOffsetMs = 0,
    ...rest
  }: NodeOptions): Promise<TestNode> {
    const { driver, ...plain } = database as DataSourceOptions & { driver?: unknown };
    const module = { secret: SECRET, database: plain, ...rest };
    const options = JSON.stringify({ options: module, policy, tokens, clockAt, http, redis });
    const script = fileURLToPath(new URL('./node.mjs', import.meta.url));
    const env = { ...process.env, TEST_CLOCK_OFFSET_MS: String(clockOffsetMs) };
    const child = fork(script, [options], { env, execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    return new Promise((resolve, reject) => {
      child.once('message', ({ port }: { port: number }) => resolve(new TestNode(child, port)));
      child.once('exit', (code) => reject(new Error(`A test node ended with ${code} before it was ready.`)));
    });
  }

  /** Runs the calls in parallel in the other process. */
  run(calls: readonly Call[]): Promise<Outcome[]> {
    const id = ++this.next;
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      this.process.send({ id, calls });
    });
  }

  async call<T = unknown>(...call: Call): Promise<Outcome<T>> {
    return (await this.run([call]))[0] as Outcome<T>;
  }

  /** Moves its clock, if it stands still. */
  async advance(ms: number): Promise<void> {
    const id = ++this.next;
    await new Promise<void>((resolve) => {
      this.waiting.set(id, () => resolve());
      this.process.send({ id, calls: ms });
    });
  }

  /** Ends it as an application ends. */
  close(): Promise<void> {
    return this.ended(() => this.process.send({ calls: 'close' }));
  }

  /** Ends it as a crash does. */
  kill(): Promise<void> {
    return this.ended(() => this.process.kill('SIGKILL'));
  }

  private ended(end: () => void): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      this.process.once('exit', () => resolve());
      end();
    });
  }
}

/** Starts so many nodes at once on one database. */
export function startNodes(count: number, options: NodeOptions): Promise<TestNode[]> {
  return Promise.all(Array.from({ length: count }, () => TestNode.start(options)));
}

/** Spreads calls over nodes, all at once; outcomes in the order of the calls. */
export async function spread(nodes: readonly TestNode[], calls: readonly Call[]): Promise<Outcome[]> {
  const shares = nodes.map((_, node) => calls.filter((_call, index) => index % nodes.length === node));
  const results = await Promise.all(nodes.map((node, index) => node.run(shares[index]!)));
  return calls.map((_, index) => results[index % nodes.length]![Math.floor(index / nodes.length)]!);
}
