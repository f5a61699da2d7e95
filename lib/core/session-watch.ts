import type { Clock } from './clock.js';
import { PeriodicTask } from './periodic-task.js';
import { invalidArgument } from './session-error.js';
import type { SessionEnd, SessionRecord } from './session.js';

type Listener = (end: SessionEnd | null) => void;

/**
 * Tells long-lived channels (server-sent events, sockets) when their session ends: a verdict is about the beginning of a
 * request, and theirs lasts. Looks again every so often, at all watched sessions together.
 */
export class SessionWatch {
  private readonly listeners = new Map<string, Set<Listener>>();
  private readonly task: PeriodicTask;

  /** @param everyMs time between two looks, and so the latest by which a listener hears */
  constructor(
    private readonly find: (sessionId: string) => Promise<SessionRecord | null>,
    private readonly clock: Clock,
    everyMs: number,
  ) {
    this.task = new PeriodicTask(
      () => this.look(),
      everyMs,
      () => undefined,
    );
  }

  /** @returns a function that stops watching @throws SessionError ARGUMENT_INVALID for a listener that is no function */
  watch(sessionId: string, listener: Listener): () => void {
    if (typeof listener !== 'function') throw invalidArgument('listener', 'must be a function');
    const listeners = this.listeners.get(sessionId) ?? new Set();
    this.listeners.set(sessionId, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.listeners.get(sessionId) === listeners) this.listeners.delete(sessionId);
    };
  }

  start(): void {
    this.task.start();
  }

  async stop(): Promise<void> {
    await this.task.stop();
    this.listeners.clear();
  }

  /** Looks at every watched session once. A session that cannot be read now is looked at again the next time. */
  async look(): Promise<void> {
    await Promise.all([...this.listeners.keys()].map((sessionId) => this.lookAt(sessionId)));
  }

  private async lookAt(sessionId: string): Promise<void> {
    const record = await this.find(sessionId);
    if (record && !record.end && this.clock.now() < record.usableUntil) return;
    const listeners = this.listeners.get(sessionId) ?? [];
    this.listeners.delete(sessionId);
    for (const listener of listeners) notify(listener, record?.end ?? null);
  }
}

/** What a listener throws is its own affair; the others hear all the same. */
function notify(listener: Listener, end: SessionEnd | null): void {
  try {
    listener(end);
  } catch {
    // Nothing to undo.
  }
}
