import type { SessionRuntime } from './session-runtime.js';

/** Health of the sessions on one node. */
export interface SessionStatusReport {
  /** `up` if the database answered within `timing.verifyBudget`. */
  readonly database: 'up' | 'down';
  /**
   * `up` while Redis answers and messages of other nodes arrive; `off` without the option. While it is down, the
   * database answers instead.
   */
  readonly redis: 'off' | 'up' | 'down';
  /** `on` while this node may answer from its own memory. */
  readonly nearCache: 'on' | 'off';
  /** False if no token can be verified: the database does not answer, and no copy may be used. */
  readonly canVerify: boolean;
  /** Age of the last complete read of the change log in milliseconds; null before the first. */
  readonly changeLogLagMs: number | null;
  /**
   * How long the oldest writing transaction of the database server has been open, in milliseconds; 0 for none. Ends need
   * not wait for it, but no space of deleted rows is used again meanwhile. Null before the first read, and on other
   * engines than PostgreSQL.
   */
  readonly oldestWriteMs: number | null;
  /** Sessions that this node has found live in the database after their end, and has ended again, since its start. */
  readonly rewrittenEnds: number;
  /**
   * Age in milliseconds of the oldest end of many sessions at once whose rows are not all closed, as read every
   * `timing.sweep`; 0 for none, null before the first read. Their tokens are refused all the same.
   */
  readonly oldestMassEndMs: number | null;
  /** Nodes that have stopped renewing their row and may still be alive. Ends may have to wait for them. */
  readonly silentNodes: number;
  /** Sessions in this node's memory. */
  readonly nearCacheEntries: number;
}

/** Status that is known without I/O. */
export type LocalStatus = Omit<SessionStatusReport, 'database' | 'canVerify'>;

/** Id that no session has: reading it is the cheapest test that sessions can be read. */
const NO_SESSION = '0'.repeat(32);

/** Reports the health of a SessionModule on this node, for health checks. Provided by SessionModule. */
export class SessionStatus {
  private asking: Promise<boolean> | null = null;

  constructor(private readonly runtime: SessionRuntime) {}

  /**
   * Queries the database, and resolves within `timing.verifyBudget` even if it hangs. Concurrent callers share the
   * query. Never rejects.
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

/** Returns the status of a module as known without I/O. */
export function localStatus({ coherence, nearCache, shared, closing }: SessionRuntime): LocalStatus {
  const { pollAge, silentNodes, oldestWriteMs } = coherence.presence;
  return {
    redis: !shared ? 'off' : shared.state === 'up' && shared.messenger.isConnected ? 'up' : 'down',
    nearCache: nearCache && coherence.caching ? 'on' : 'off',
    changeLogLagMs: Number.isFinite(pollAge) ? pollAge : null,
    oldestWriteMs,
    rewrittenEnds: coherence.ends.rewritten,
    oldestMassEndMs: closing.oldestMs,
    silentNodes,
    nearCacheEntries: nearCache?.size ?? 0,
  };
}
