import { afterAll } from '@jest/globals';
import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { DataSourceOptions } from 'typeorm';
import type { LoginResult, Verification } from 'nestjs-latchkey';
import { SECRET, type Services, patient } from './sessions.js';

/** A call in another process: a method of one of the services, with its arguments. */
export type Call = [method: { [Name in keyof Services]: keyof Services[Name] }[keyof Services], ...args: unknown[]];

/** What came of it: one of the two is there. */
export interface Outcome<T = unknown> {
  readonly value?: T;
  readonly error?: {
    readonly code: string;
    readonly message: string;
    readonly cause: string;
    readonly ticket?: string;
  };
}

export type LoginOutcome = Outcome<LoginResult>;
export type VerifyOutcome = Outcome<Verification>;

export interface NodeOptions {
  readonly database: DataSourceOptions;
  readonly policy: { readonly name: 'singleDevice' | 'multiDevice' | 'oneDevicePerType'; readonly options?: object };
  readonly timing?: object;
  readonly nearCache?: false;
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
  /** Statement at which it ends as by `kill -9`; see `die-at.mjs`. */
  readonly diesAt?: DeathPoint;
}

export interface DeathPoint {
  /** Source of a pattern. */
  readonly statement: string;
  /** The same, of one that the connection sent before; default none. */
  readonly after?: string;
  /** Which of these statements; default the first. */
  readonly turn?: number;
  /** True to die when it is answered, before anything else is done; default: when it is about to be sent. */
  readonly isDone?: boolean;
}

interface Request {
  readonly name: 'start' | 'advance' | 'run' | 'close';
  readonly argument?: unknown;
}

interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

const SCRIPT = fileURLToPath(new URL('./node.mjs', import.meta.url));
/** The same in one file, which loads faster; `npm test` makes it, and `npm run build` removes it. */
const BUNDLED = fileURLToPath(new URL('../../dist-sample/bundled/test-node.js', import.meta.url));

/** A process that can be one node after the other. */
class NodeProcess {
  private next = 0;
  private readonly waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  readonly exited: Promise<void>;

  constructor(readonly child: ChildProcess) {
    child.on('message', ({ id, value, error }: Reply) => {
      const { resolve, reject } = this.waiting.get(id)!;
      this.waiting.delete(id);
      if (error === undefined) resolve(value);
      else reject(new Error(`A test node failed: ${error}`));
    });
    this.exited = new Promise((resolve) => child.once('exit', () => resolve()));
    void this.exited.then(() => {
      for (const { reject } of this.waiting.values()) reject(new Error('A test node ended before it answered.'));
      this.waiting.clear();
    });
  }

  static fork(): NodeProcess {
    return new NodeProcess(
      fork(existsSync(BUNDLED) ? BUNDLED : SCRIPT, { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }),
    );
  }

  get hasExited(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  ask(request: Request): Promise<unknown> {
    const id = ++this.next;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.child.send({ id, ...request }, (error) => error && reject(error));
    });
  }

  kill(): Promise<void> {
    this.child.kill('SIGKILL');
    return this.exited;
  }

  /** Ends it when nothing in it keeps it from ending; what a node left behind would. */
  end(): Promise<void> {
    this.child.disconnect();
    return this.exited;
  }
}

/** Those that are no node at the moment. */
const idle: NodeProcess[] = [];
afterAll(() => Promise.all(idle.splice(0).map((process) => process.end())));

export class TestNode {
  private isClosed = false;

  private constructor(
    private readonly host: NodeProcess,
    /** Where it answers HTTP, if it does. */
    readonly port: number,
  ) {}

  static async start({
    database,
    policy,
    tokens,
    clockAt,
    clockOffsetMs,
    http,
    redis,
    timing,
    diesAt,
    ...rest
  }: NodeOptions) {
    const { driver, ...plain } = database as DataSourceOptions & { driver?: unknown };
    const options = { secret: SECRET, database: plain, timing: patient(timing), ...rest };
    const host = idle.pop() ?? NodeProcess.fork();
    const argument = { options, policy, tokens, clockAt, clockOffsetMs, http, redis, diesAt };
    try {
      const { port } = (await host.ask({ name: 'start', argument })) as { port: number };
      return new TestNode(host, port);
    } catch (error) {
      await host.kill();
      throw error;
    }
  }

  get process(): ChildProcess {
    return this.host.child;
  }

  /** Resolves when its process is gone. */
  get died(): Promise<void> {
    return this.host.exited;
  }

  run(calls: readonly Call[]): Promise<Outcome[]> {
    return this.host.ask({ name: 'run', argument: calls }) as Promise<Outcome[]>;
  }

  async call<T = unknown>(...call: Call): Promise<Outcome<T>> {
    return (await this.run([call]))[0] as Outcome<T>;
  }

  /** Moves its clock, if it stands still. */
  async advance(ms: number): Promise<void> {
    await this.host.ask({ name: 'advance', argument: ms });
  }

  /** Ends it as an application ends. */
  async close(): Promise<void> {
    if (this.isClosed || this.host.hasExited) return;
    this.isClosed = true;
    await this.host.ask({ name: 'close' });
    idle.push(this.host);
  }

  /** Ends it as a crash does. */
  async kill(): Promise<void> {
    if (!this.host.hasExited) await this.host.kill();
  }
}

export function startNodes(count: number, options: NodeOptions): Promise<TestNode[]> {
  return Promise.all(Array.from({ length: count }, () => TestNode.start(options)));
}

/** Spreads calls over nodes, all at once; outcomes in the order of the calls. */
export async function spread(nodes: readonly TestNode[], calls: readonly Call[]): Promise<Outcome[]> {
  const shares = nodes.map((_, node) => calls.filter((_call, index) => index % nodes.length === node));
  const results = await Promise.all(nodes.map((node, index) => node.run(shares[index]!)));
  return calls.map((_, index) => results[index % nodes.length]![Math.floor(index / nodes.length)]!);
}
