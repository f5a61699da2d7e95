import type { LifecycleEvent } from 'nestjs-latchkey';

type Listener = () => void;

/**
 * Tells at once of sessions that this process has ended. SessionService.watch tells of all of them, wherever they were
 * ended, and a little later.
 */
export class EndedHere {
  private readonly listeners = new Map<string, Set<Listener>>();

  /** For `hooks.onEvent` of SessionModule. */
  readonly onEvent = (event: LifecycleEvent): void => {
    if (event.type !== 'session.ended') return;
    for (const listener of this.listeners.get(event.sessionId) ?? []) listener();
  };

  /** @returns a function that stops listening */
  listen(sessionId: string, listener: Listener): () => void {
    const listeners = this.listeners.get(sessionId) ?? new Set();
    this.listeners.set(sessionId, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.listeners.get(sessionId) === listeners) this.listeners.delete(sessionId);
    };
  }
}
