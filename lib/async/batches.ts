import { SessionError } from '../model/session-error.js';

interface Waiting<T> {
  readonly promise: Promise<T | null>;
  readonly settle: (result: { value: T | null } | { error: unknown }) => void;
}

/** Most keys of one read. */
const MAX_BATCH = 100;
/** Most keys that wait; who asks for a further one is told at once that it cannot be read now. */
const MAX_WAITING = 10_000;

/**
 * Reads by key for many simultaneous callers with few reads: what is asked for while all readers are busy goes into the
 * next read together. A caller only ever joins a read that has not been sent yet, so what it gets was true after it asked.
 * Every caller is answered within the budget, and nothing is kept for one that has been.
 */
export class BatchedReads<T> {
  private readonly waiting = new Map<string, Waiting<T>>();
  private running = 0;
  private scheduled = false;

  /**
   * @param read gets the values of distinct keys; a key that it does not return has none
   * @param parallel most reads at once
   * @param budgetMs time in which a caller is answered; SESSION_STORE_UNAVAILABLE if need be
   */
  constructor(
    private readonly read: (keys: readonly string[]) => Promise<ReadonlyMap<string, T>>,
    private readonly parallel: number,
    private readonly budgetMs: number,
  ) {}

  /** The value of a key, or null. @throws SessionError SESSION_STORE_UNAVAILABLE */
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
    const promise = new Promise<T | null>((resolve, reject) => {
      const timer = setTimeout(() => {
        if (this.waiting.get(key) === entry) this.waiting.delete(key);
        reject(new SessionError('SESSION_STORE_UNAVAILABLE'));
      }, this.budgetMs);
      settle = (result) => {
        clearTimeout(timer);
        if ('value' in result) resolve(result.value);
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- passed on as it came
        else reject(result.error);
      };
    });
    const entry = { promise, settle };
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
    try {
      const values = await this.read(batch.map(([key]) => key));
      for (const [key, { settle }] of batch) settle({ value: values.get(key) ?? null });
    } catch (error) {
      for (const [, { settle }] of batch) settle({ error });
    } finally {
      this.running--;
      this.schedule();
    }
  }
}

/** Most records in one statement. */
const CHUNK = 500;

/**
 * Writes records one chunk after the other, and stops at the first chunk that fails: a database that has trouble is not to be
 * troubled with records as well. Never rejects.
 * @returns those that were not written, or of which nobody knows
 */
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
