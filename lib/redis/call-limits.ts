/** Thrown when Redis does not answer in time. The command may still take effect, or may have. */
export class RedisTimeoutError extends Error {
  constructor(ms: number) {
    super(`Redis did not answer within ${ms} ms.`);
  }
}

/** Rejects each unfinished call, in the order of the calls. */
type Turn = Set<(error: Error) => void>;

/** Applies deadlines to calls. Those of one turn share a timer. A reply that waits for a busy event loop still counts. */
export class CallDeadline {
  private turn: Turn | null = null;

  constructor(private readonly ms: number) {}

  /** Settles like the call, or rejects with RedisTimeoutError once the time is up. */
  within<T>(call: Promise<T>, outcome?: Pick<CircuitBreaker, 'succeed' | 'fail'>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const turn = this.thisTurn();
      const fail = (error: Error) => {
        if (!turn.delete(fail)) return;
        outcome?.fail();
        reject(error);
      };
      turn.add(fail);
      call.then((value) => {
        if (!turn.delete(fail)) return;
        outcome?.succeed();
        resolve(value);
      }, fail);
    });
  }

  private thisTurn(): Turn {
    if (this.turn) return this.turn;
    const turn: Turn = new Set();
    this.turn = turn;
    setImmediate(() => (this.turn = null));
    const timer = setTimeout(() => setImmediate(() => this.expire(turn)), this.ms);
    timer.unref();
    return turn;
  }

  private expire(turn: Turn): void {
    for (const fail of turn) fail(new RedisTimeoutError(this.ms));
  }
}

/** Lets no call through for a while after some failures in a row, and then one at a time until one succeeds. */
export class CircuitBreaker {
  private failures = 0;
  private openUntil = -Infinity;
  private probing = false;

  constructor(
    private readonly limits: {
      readonly maxFailures: number;
      readonly pauseMs: number;
      /** Monotonic milliseconds. */
      readonly now: () => number;
    },
  ) {}

  /** `down`: lets no call through. `probing`: the pause is over, and one call at a time passes. */
  get state(): 'up' | 'down' | 'probing' {
    if (this.failures < this.limits.maxFailures) return 'up';
    return this.limits.now() < this.openUntil || this.probing ? 'down' : 'probing';
  }

  /** Lets a call through, which must then be reported by `succeed` or `fail`. */
  admit(): boolean {
    const { state } = this;
    if (state === 'probing') this.probing = true;
    return state !== 'down';
  }

  succeed(): void {
    this.failures = 0;
    this.probing = false;
  }

  fail(): void {
    this.failures++;
    this.probing = false;
    if (this.failures >= this.limits.maxFailures) this.openUntil = this.limits.now() + this.limits.pauseMs;
  }
}
