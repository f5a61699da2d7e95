import { expect } from '@jest/globals';
import type { LoginResult, Verification } from 'nestjs-latchkey';
import { SLACK_MS, VERIFY_BUDGET_MS } from './budgets.js';

/** A login that is watched. Between `live` and `ended` both answers are right. */
interface Watched {
  readonly login: LoginResult;
  state: 'live' | 'ending' | 'ended';
}

type Verify = (token: string) => Promise<Verification>;

/** How long a round of all tokens is followed by nothing, so that the test itself gets its turn. */
const PAUSE_MS = 20;

/**
 * Uses tokens on several nodes and notes broken promises: a token accepted after its acknowledged end, a good one refused,
 * somebody else's session, an answer out of time.
 */
export class Witness {
  unknown = 0;
  answers = 0;
  slowestMs = 0;
  private readonly broken = new Set<string>();
  private readonly watched: Watched[] = [];
  private stopped = false;
  private readonly loops: readonly Promise<void>[];

  /** @param verify asks one node each */
  constructor(private readonly verify: readonly Verify[]) {
    this.loops = verify.map((ask, index) => this.loop(ask, index));
  }

  watch(...logins: readonly LoginResult[]): void {
    for (const login of logins) this.watched.push({ login, state: 'live' });
  }

  /** Runs what takes away the tokens of some sessions that are watched by now. */
  async ending<T>(logins: readonly LoginResult[], end: () => Promise<T>): Promise<T> {
    const ids = new Set(logins.map(({ session }) => session.id));
    const those = this.watched.filter(({ login }) => ids.has(login.session.id));
    for (const one of those) one.state = 'ending';
    const result = await end();
    for (const one of those) one.state = 'ended';
    return result;
  }

  async askAll(): Promise<void> {
    await Promise.all(this.verify.flatMap((verify, node) => this.watched.map((one) => this.ask(verify, node, one))));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.loops);
  }

  /** Ends the watch, and fails if any answer was wrong, late, or missing though the database could be asked. */
  async close({ mayBeUnknown = false } = {}): Promise<void> {
    await this.askAll();
    await this.stop();
    expect([...this.broken]).toEqual([]);
    expect(this.slowestMs).toBeLessThan(VERIFY_BUDGET_MS + SLACK_MS);
    expect(this.answers).toBeGreaterThan(0);
    if (!mayBeUnknown) expect(this.unknown).toBe(0);
  }

  private async loop(verify: Verify, node: number): Promise<void> {
    while (!this.stopped) {
      for (const one of [...this.watched]) await this.ask(verify, node, one);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  private async ask(verify: Verify, node: number, one: Watched): Promise<void> {
    const before = one.state;
    const startedAt = performance.now();
    const answer = await verify(one.login.accessToken);
    this.slowestMs = Math.max(this.slowestMs, performance.now() - startedAt);
    this.answers++;
    const { userId } = one.login.session;
    const note = (what: string) => this.broken.add(`node ${node}, ${userId}: ${what}`);
    if (answer.status === 'UNKNOWN') this.unknown++;
    else if (answer.status === 'INVALID' && one.state === 'live') note(`refused as ${answer.reason}`);
    else if (answer.status === 'VALID' && before === 'ended') note('accepted after its end');
    else if (answer.status === 'VALID' && answer.session.userId !== userId) note(`taken for ${answer.session.userId}`);
  }
}
