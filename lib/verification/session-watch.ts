import type { Clock } from '../ports/clock.js';
import { PeriodicTask } from '../async/periodic-task.js';
import { inSlices } from '../async/slices.js';
import { invalidArgument } from '../model/session-error.js';
import { type CopiedRecord, type SessionEnd, type UserSession, toSession } from '../model/session.js';
import type { Refusal } from '../model/verification.js';
import type { VerificationCache } from '../ports/verification-cache.js';
import type { SessionLookup } from './session-lookup.js';
import type { Verifier } from './verifier.js';

type Listener<T> = (news: T) => void;

/** Listeners by session id or token. */
type Watched<T> = Map<string, Set<Listener<T>>>;

/** Claims and bans of a session as it was last seen. */
interface Seen {
  readonly versions: string;
  readonly rights: string;
}

/** Notifies long-lived channels when their session ends or changes, or their token is refused. Checks all at a fixed interval. */
export class SessionWatch {
  private readonly sessions: Watched<SessionEnd | null> = new Map();
  /** By the listener to the end of the session, whose channel they belong to. */
  private readonly changes = new WeakMap<Listener<SessionEnd | null>, Listener<UserSession>>();
  private readonly seen = new WeakMap<Listener<SessionEnd | null>, Seen>();
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

  /**
   * @param onChange called with the session at the first look, and whenever its claims or bans have changed since
   * @returns function that stops watching @throws SessionError ARGUMENT_INVALID unless the listeners are functions
   */
  watch(sessionId: string, listener: Listener<SessionEnd | null>, onChange?: Listener<UserSession>): () => void {
    if (onChange === undefined) return add(this.sessions, sessionId, listener);
    needFunction(listener, 'listener');
    needFunction(onChange, 'onChange');
    // The same listener may watch several channels.
    const own: Listener<SessionEnd | null> = (end) => listener(end);
    this.changes.set(own, onChange);
    return add(this.sessions, sessionId, own);
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
    if (record && !record.end && clock.now() < record.usableUntil) return this.lookForChange(sessionId, record);
    tell(this.sessions, sessionId, record?.end ?? null);
  }

  private lookForChange(sessionId: string, record: CopiedRecord): void {
    for (const listener of this.sessions.get(sessionId) ?? []) {
      const onChange = this.changes.get(listener);
      if (!onChange) continue;
      const seen = this.seen.get(listener);
      const versions = `${record.version} ${record.accountVersion}`;
      if (seen?.versions === versions) continue;
      const rights = JSON.stringify([record.claims, record.bans]);
      this.seen.set(listener, { versions, rights });
      if (seen?.rights !== rights) call(onChange, toSession(record));
    }
  }

  private async lookAtToken(token: string): Promise<void> {
    const verdict = await this.parts.verifier.inspect(token);
    if (verdict.status === 'INVALID') tell(this.tokens, token, verdict);
  }
}

function add<T>(watched: Watched<T>, key: string, listener: Listener<T>): () => void {
  needFunction(listener, 'listener');
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
  for (const listener of listeners) call(listener, news);
}

function call<T>(listener: Listener<T>, news: T): void {
  try {
    listener(news);
  } catch {
    // Nothing to undo.
  }
}

function needFunction(value: unknown, name: string): void {
  if (typeof value !== 'function') throw invalidArgument(name, 'must be a function');
}
