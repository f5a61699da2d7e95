import type { Clock } from '../ports/clock.js';
import { PeriodicTask } from '../async/periodic-task.js';
import { inSlices } from '../async/slices.js';
import { invalidArgument } from '../model/session-error.js';
import type { SessionEnd } from '../model/session.js';
import type { Refusal } from '../model/verification.js';
import type { VerificationCache } from '../ports/verification-cache.js';
import type { SessionLookup } from './session-lookup.js';
import type { Verifier } from './verifier.js';

type Listener<T> = (news: T) => void;

/** Listeners by session id or token. */
type Watched<T> = Map<string, Set<Listener<T>>>;

/** Notifies long-lived channels when their session ends or their token is refused. Checks all at a fixed interval. */
export class SessionWatch {
  private readonly sessions: Watched<SessionEnd | null> = new Map();
  private readonly tokens: Watched<Refusal> = new Map();
  private readonly task: PeriodicTask;

  constructor(
    private readonly parts: {
      readonly cache: Pick<VerificationCache, 'get'>;
      readonly lookup: Pick<SessionLookup, 'find'>;
      readonly verifier: Pick<Verifier, 'inspect'>;
      readonly clock: Clock;
      /** Interval. Milliseconds. */
      readonly everyMs: number;
    },
  ) {
    const ignore = () => undefined;
    this.task = new PeriodicTask(() => this.look(), parts.everyMs, ignore);
  }

  /** @returns function that stops watching @throws SessionError ARGUMENT_INVALID unless `listener` is a function */
  watch(sessionId: string, listener: Listener<SessionEnd | null>): () => void {
    return add(this.sessions, sessionId, listener);
  }

  /** @returns function that stops watching @throws SessionError ARGUMENT_INVALID */
  watchToken(token: string, listener: Listener<Refusal>): () => void {
    if (typeof token !== 'string') throw invalidArgument('token', 'must be a string');
    return add(this.tokens, token, listener);
  }

  start(): void {
    this.task.start();
  }

  async stop(): Promise<void> {
    await this.task.stop();
    this.sessions.clear();
    this.tokens.clear();
  }

  /** Checks once. */
  async look(): Promise<void> {
    // One that cannot be read now is read again next time.
    await inSlices(this.sessions.keys(), (id) => this.lookAt(id).catch(() => undefined));
    await inSlices(this.tokens.keys(), (token) => this.lookAtToken(token));
  }

  private async lookAt(sessionId: string): Promise<void> {
    const { cache, lookup, clock } = this.parts;
    const record = cache.get(sessionId)?.record ?? (await lookup.find(sessionId));
    if (record && !record.end && clock.now() < record.usableUntil) return;
    tell(this.sessions, sessionId, record?.end ?? null);
  }

  private async lookAtToken(token: string): Promise<void> {
    const verdict = await this.parts.verifier.inspect(token);
    if (verdict.status === 'INVALID') tell(this.tokens, token, verdict);
  }
}

function add<T>(watched: Watched<T>, key: string, listener: Listener<T>): () => void {
  if (typeof listener !== 'function') throw invalidArgument('listener', 'must be a function');
  const listeners = watched.get(key) ?? new Set();
  watched.set(key, listeners.add(listener));
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0 && watched.get(key) === listeners) watched.delete(key);
  };
}

/** Notifies each listener once. One that throws does not affect the others. */
function tell<T>(watched: Watched<T>, key: string, news: T): void {
  const listeners = watched.get(key) ?? [];
  watched.delete(key);
  for (const listener of listeners) {
    try {
      listener(news);
    } catch {
      // Nothing to undo.
    }
  }
}
