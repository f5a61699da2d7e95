/** A call of Redis took longer than it may. The command itself may still be carried out, or have been. */
export class RedisTimeoutError extends Error {
  constructor(ms: number) {
    super(`Redis did not answer within ${ms} ms.`);
  }
}

/** Is told how a call ended. */
export interface CallOutcome {
  succeed(): void;
  fail(): void;
}

/** How to fail each call that has not ended yet, in the order of the calls. */
type Turn = (((error: Error) => void) | null)[];

const NOBODY: CallOutcome = { succeed: () => undefined, fail: () => undefined };

/**
 * Gives every call the same time to be answered. Calls of one turn of the event loop share a timer, as there may be thousands of
 * them in a second. A reply that has arrived by then and only waits for a busy event loop to be read still counts.
 */
export class CallDeadline {
  private turn: Turn | null = null;

  constructor(private readonly ms: number) {}

  /** The result of a call, or RedisTimeoutError once the time is up. */
  within<T>(call: Promise<T>, outcome = NOBODY): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const turn = this.thisTurn();
      const index = turn.length;
      // The timer holds the turn for as long as a call may take, but nothing of a call that has ended.
      const end = () => {
        const isFirst = turn[index] !== null;
        turn[index] = null;
        return isFirst;
      };
      const fail = (error: Error) => {
        if (!end()) return;
        outcome.fail();
        reject(error);
      };
      turn.push(fail);
      call.then((value) => {
        if (!end()) return;
        outcome.succeed();
        resolve(value);
      }, fail);
    });
  }

  private thisTurn(): Turn {
    if (this.turn) return this.turn;
    const turn: Turn = [];
    this.turn = turn;
    setImmediate(() => (this.turn = null));
    const timer = setTimeout(() => setImmediate(() => this.expire(turn)), this.ms);
    timer.unref();
    return turn;
  }

  private expire(turn: Turn): void {
    for (const fail of turn) fail?.(new RedisTimeoutError(this.ms));
  }
}
