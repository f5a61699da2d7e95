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

/** The part of a context of OpenTelemetry that is used here. */
interface TraceContext {
  setValue(key: symbol, value: unknown): TraceContext;
}

interface TraceContexts {
  active(): TraceContext;
  with<T>(context: TraceContext, work: () => T): T;
}

/** Where `@opentelemetry/api` 1 keeps what an application has registered, for all copies of it in the process. */
const API = Symbol.for('opentelemetry.js.api.1');
/** What `suppressTracing` of `@opentelemetry/core` sets. */
const SUPPRESSED = Symbol.for('OpenTelemetry SDK Context Key SUPPRESS_TRACING');

/**
 * Runs work that belongs to no request: automatic instrumentations of OpenTelemetry would make a trace of each of its statements.
 * Looked up each time, as tracing may be registered later; nothing is imported, as most applications have none.
 */
export function untraced<T>(work: () => T): T {
  const contexts = (globalThis as { [API]?: { readonly context?: TraceContexts } })[API]?.context;
  return contexts ? contexts.with(contexts.active().setValue(SUPPRESSED, true), work) : work();
}
