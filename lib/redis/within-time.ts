/** A call of Redis took longer than it may. The command itself may still be carried out, or have been. */
export class RedisTimeoutError extends Error {
  constructor(ms: number) {
    super(`Redis did not answer within ${ms} ms.`);
  }
}

interface Waiting {
  isSettled: boolean;
  readonly reject: (error: Error) => void;
}

/**
 * Gives every call the same time to be answered. Calls of one turn of the event loop share a timer, as there may be thousands of
 * them in a second. A reply that has arrived by then and only waits for a busy event loop to be read still counts.
 */
export class CallDeadline {
  private turn: Waiting[] | null = null;

  constructor(private readonly ms: number) {}

  /** The result of a call, or RedisTimeoutError once the time is up. */
  within<T>(call: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const waiting: Waiting = { isSettled: false, reject };
      this.thisTurn().push(waiting);
      call.then(
        (value) => {
          waiting.isSettled = true;
          resolve(value);
        },
        (error: unknown) => {
          waiting.isSettled = true;
          // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- passed on as it came
          reject(error);
        },
      );
    });
  }

  private thisTurn(): Waiting[] {
    if (this.turn) return this.turn;
    const turn: Waiting[] = [];
    this.turn = turn;
    setImmediate(() => (this.turn = null));
    const timer = setTimeout(() => setImmediate(() => this.expire(turn)), this.ms);
    timer.unref();
    return turn;
  }

  private expire(turn: readonly Waiting[]): void {
    for (const { isSettled, reject } of turn) if (!isSettled) reject(new RedisTimeoutError(this.ms));
  }
}
