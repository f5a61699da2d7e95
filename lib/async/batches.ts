import { SessionError } from '../model/session-error.js';
import { withDeadline } from './deadline.js';

interface Waiting<T> {
  readonly promise: Promise<T | null>;
  readonly settle: (result: Promise<T | null>) => void;
}

/** Most keys in one read. */
const MAX_BATCH = 100;
/** Most queued keys; further callers are rejected at once. */
const MAX_WAITING = 10_000;

/** Batches reads by key. Callers join only reads that have not been sent, so that no answer is older than its request. */
export class BatchedReads<T> {
  private readonly waiting = new Map<string, Waiting<T>>();
  private running = 0;
  private scheduled = false;

  /** @param read fetches distinct keys; a key missing from the result has no value @param budgetMs deadline of a caller */
  constructor(
    private readonly read: (keys: readonly string[]) => Promise<ReadonlyMap<string, T>>,
    private readonly parallel: number,
    private readonly budgetMs: number,
  ) {}

  /** Reads the value of a key, or null. @throws SessionError SESSION_STORE_UNAVAILABLE */
  get(key: string): Promise<T | null> {
    let waiting = this.waiting.get(key);
    if (!waiting) {
      if (this.waiting.size >= MAX_WAITING) return Promise.reject(new SessionError('SESSION_STORE_UNAVAILABLE'));
      waiting = this.enter(key);
    }
    this.schedule();
    return waiting.promise;
  }

  private enter(key: string): Waiting<T> {
    let settle!: Waiting<T>['settle'];
    const answer = new Promise<T | null>((resolve) => (settle = resolve));
    const late = () => {
      if (this.waiting.get(key) === entry) this.waiting.delete(key);
      return new SessionError('SESSION_STORE_UNAVAILABLE');
    };
    const entry = { promise: withDeadline(answer, this.budgetMs, late), settle };
    this.waiting.set(key, entry);
    return entry;
  }

  /** Callers of the same turn share a read. */
  private schedule(): void {
    if (this.scheduled || this.running >= this.parallel || this.waiting.size === 0) return;
    this.scheduled = true;
    queueMicrotask(() => {
      this.scheduled = false;
      void this.send();
    });
  }

  private async send(): Promise<void> {
    const batch = [...this.waiting].slice(0, MAX_BATCH);
    for (const [key] of batch) this.waiting.delete(key);
    if (batch.length === 0) return;
    this.running++;
    this.schedule();
    const reading = this.read(batch.map(([key]) => key));
    for (const [key, { settle }] of batch) settle(reading.then((values) => values.get(key) ?? null));
    await reading.catch(() => undefined);
    this.running--;
    this.schedule();
  }
}

/** Most rows in one statement. */
const CHUNK = 500;

/** Writes chunk by chunk up to the first failure. Never rejects. @returns records that may not have been written */
export async function writeInChunks<T>(
  records: readonly T[],
  write: (chunk: readonly T[]) => Promise<void>,
): Promise<readonly T[]> {
  for (let from = 0; from < records.length; from += CHUNK) {
    try {
      await write(records.slice(from, from + CHUNK));
    } catch {
      return records.slice(from);
    }
  }
  return [];
}
