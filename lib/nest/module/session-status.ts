import type { SessionRuntime } from './session-runtime.js';

/** How the sessions of one server are doing. */
export interface SessionStatusReport {
  /** Whether the database has answered within `timing.verifyBudget`. */
  readonly database: 'up' | 'down';
  /**
   * Whether Redis is in use: it answers, and messages of other servers arrive. `off` where the module was given none. While it
   * is down, the database answers instead.
   */
  readonly redis: 'off' | 'up' | 'down';
  /** Whether this process may answer from its own memory now. */
  readonly nearCache: 'on' | 'off';
  /** False if no token can be verified: the database does not answer, and nothing that is remembered may be used. */
  readonly canVerify: boolean;
  /** Age of the last complete look at the change log, in milliseconds; null before the first one. */
  readonly changeLogLagMs: number | null;
  /** Servers that have stopped renewing their row, and may still be there. Ends can have to wait for them. */
  readonly silentNodes: number;
  /** Sessions that this process remembers. */
  readonly nearCacheEntries: number;
}

/** What is known without asking anybody. */
export type LocalStatus = Omit<SessionStatusReport, 'database' | 'canVerify'>;

/** A session that cannot be: reading it is the cheapest question that shows whether sessions can be read. */
const NO_SESSION = '0'.repeat(32);

/** Tells how the sessions of a SessionModule are doing on this server, for health checks. Provided by SessionModule. */
export class SessionStatus {
  private asking: Promise<boolean> | null = null;

  constructor(private readonly runtime: SessionRuntime) {}

  /**
   * Asks the database, and is done within `timing.verifyBudget` whatever hangs. Callers at the same time share the question.
   * Never rejects.
   */
  async read(): Promise<SessionStatusReport> {
    const isUp = await (this.asking ??= this.ask().finally(() => (this.asking = null)));
    const { coherence, nearCache, shared } = this.runtime;
    const canRemember = coherence.caching && (nearCache !== null || shared?.state === 'up');
    return { database: isUp ? 'up' : 'down', canVerify: isUp || canRemember, ...localStatus(this.runtime) };
  }

  private ask(): Promise<boolean> {
    return this.runtime.sessions.find(NO_SESSION).then(
      () => true,
      () => false,
    );
  }
}

/** What a module knows of itself at this moment. */
export function localStatus({ coherence, nearCache, shared }: SessionRuntime): LocalStatus {
  const { pollAge, silentNodes } = coherence.presence;
  return {
    redis: !shared ? 'off' : shared.state === 'up' && shared.messenger.isConnected ? 'up' : 'down',
    nearCache: nearCache && coherence.caching ? 'on' : 'off',
    changeLogLagMs: Number.isFinite(pollAge) ? pollAge : null,
    silentNodes,
    nearCacheEntries: nearCache?.size ?? 0,
  };
}
