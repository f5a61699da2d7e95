import { untraced } from './untraced.js';

/**
 * Runs work again and again with a pause in between, never twice at once. The timer keeps no process alive. Work that
 * rejects is tried again after the pause; the first failure is reported, and the first success after it. It is no part of a trace.
 */
export class PeriodicTask {
  private timer: NodeJS.Timeout | undefined;
  private current: Promise<void> = Promise.resolve();
  private stopped = true;
  private running = false;
  private failing = false;

  constructor(
    private readonly work: () => Promise<unknown>,
    private readonly intervalMs: number,
    private readonly report: (failure: { readonly error: unknown } | null) => void,
  ) {}

  start(): void {
    this.stopped = false;
    // A run that goes on since before a stop is followed by the next one anyway.
    if (!this.running) this.schedule();
  }

  /** No run begins after this; resolves when a running one has ended. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.current;
  }

  private async run(): Promise<void> {
    this.running = true;
    try {
      await untraced(this.work);
      if (this.failing) this.report(null);
      this.failing = false;
    } catch (error) {
      if (!this.failing) this.report({ error });
      this.failing = true;
    } finally {
      this.running = false;
    }
  }

  private schedule(): void {
    if (this.stopped) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.current = this.run().then(() => this.schedule());
    }, this.intervalMs);
    this.timer.unref();
  }
}
