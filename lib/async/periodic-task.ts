/** Repeats work, untraced and without keeping the process alive. Reports the first failure, and the first success after it. */
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
    // A run from before the stop schedules the next one itself.
    if (!this.running) this.schedule();
  }

  /** Prevents further runs; resolves when the current one has ended. */
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

/** Subset of OpenTelemetry's context that is used here. */
interface TraceContext {
  setValue(key: symbol, value: unknown): TraceContext;
}
interface TraceContexts {
  active(): TraceContext;
  with<T>(context: TraceContext, work: () => T): T;
}

/** Global registry of `@opentelemetry/api` 1, shared by all of its copies in the process. */
const API = Symbol.for('opentelemetry.js.api.1');
/** Set by `suppressTracing` of `@opentelemetry/core`. */
const SUPPRESSED = Symbol.for('OpenTelemetry SDK Context Key SUPPRESS_TRACING');

/** Suppresses tracing of background work. Looked up on each call, because tracing may be registered later. */
export function untraced<T>(work: () => T): T {
  const contexts = (globalThis as { [API]?: { readonly context?: TraceContexts } })[API]?.context;
  return contexts ? contexts.with(contexts.active().setValue(SUPPRESSED, true), work) : work();
}
