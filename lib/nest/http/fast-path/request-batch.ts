/** Kept from the start: tests of applications put fake timers in the place of the global one. */
const afterReading = setImmediate;
/** How many requests wait for each other at most. */
const MOST = 64;

/**
 * Lets requests that come in one turn of the event loop go on together, once all of them have been read: the code that
 * verifies and answers is then in the processor's caches from the second on, which saves more than it costs
 * (bench/verify.mjs). A request that comes alone goes on at once.
 */
export class RequestBatch {
  private whole: Promise<void> | null = null;
  private release: () => void = () => undefined;
  private size = 0;

  /** Resolves when the requests of this turn have been read, in the order in which they came. */
  join(): Promise<void> {
    this.whole ??= this.begin();
    const { whole } = this;
    if (++this.size >= MOST) this.end();
    return whole;
  }

  private begin(): Promise<void> {
    this.size = 0;
    // One that was full in this turn has left its own, which may end this one sooner. It then is a smaller one.
    afterReading(() => this.end());
    return new Promise((resolve) => (this.release = resolve));
  }

  private end(): void {
    this.whole = null;
    this.release();
  }
}
