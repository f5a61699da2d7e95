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
