import { setTimeout as pause } from 'node:timers/promises';
import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import type { KickOptions } from '../../commands/operator-arguments.js';
import { ChangePendingError, SessionError, invalidArgument, describeError } from '../../model/session-error.js';
import { isSessionId } from '../../tokens/token-codec.js';
import { OperatorService } from '../../services/operator-service.js';
import { SessionRuntime } from '../../nest/module/session-runtime.js';
import type { OnlineFilter } from '../../database/lists/online-filter.js';
import { OnlineQueries } from '../../database/lists/online-queries.js';
import { OperatorAudit } from '../../database/transactions/audit.js';
import { type OnlineCriteria, onlineFilter } from './admin-filters.js';
import { auditedFilter } from '../access/filter-rights.js';

/** Selects sessions by id, or all live ones that match a filter when the work begins. */
export type KickSelection = { readonly sessionIds: readonly string[] } | { readonly filter: OnlineCriteria };

/** How soon an order is done, and how much room it leaves to others; see PACES. */
export type KickPace = 'gentle' | 'fast';

export interface KickOrder {
  readonly selection: KickSelection;
  /** Default: gentle. */
  readonly pace?: KickPace;
  readonly by: string;
  readonly comment?: string;
  /** Session to spare: the operator's own. */
  readonly except: string;
  /** Called before each step. An error stops the work. */
  readonly check?: () => Promise<void>;
}

/** Approximate above 10,000. */
export interface Matching {
  readonly matching: number;
  /** Set if there are more than `matching`. */
  readonly matchingIsMinimum?: true;
}

export interface KickProgress {
  readonly done: number;
  /** Sessions ended by this order; others had ended already. */
  readonly ended: number;
  /** Sessions whose end is committed but not yet acknowledged by every node. */
  readonly pending: number;
}

export const NOTHING_DONE: KickProgress = { done: 0, ended: 0, pending: 0 };

interface Pace {
  /** Sessions per step, with one transaction, one message to the other nodes, and one acknowledgement. */
  readonly batch: number;
  /** Pauses for this multiple of the last step's time, up to MOST_REST_MS. */
  readonly rest: number;
}

const PACES: Readonly<Record<KickPace, Pace>> = {
  // Leaves two thirds of the time to others.
  gentle: { batch: 10, rest: 2 },
  fast: { batch: 500, rest: 0.3 },
};
const MOST_REST_MS = 250;
const MAX_IDS = 1000;
const EXACT_UP_TO = 10_000;
const ATTEMPTS = 5;
const PAUSE_MS = 500;

/** Ends many sessions step by step, leaving room for requests and logins. */
@Injectable()
export class BulkKick implements OnModuleDestroy {
  private readonly logger = new Logger('SessionAdminModule');
  private readonly running = new Set<Promise<unknown>>();
  private isStopping = false;

  constructor(
    private readonly online: OnlineQueries,
    private readonly operators: OperatorService,
    private readonly audit: OperatorAudit,
    private readonly runtime: SessionRuntime,
  ) {}

  async onModuleDestroy(): Promise<void> {
    this.isStopping = true;
    await Promise.allSettled(this.running);
  }

  /** Counts the sessions that an order would end now. @throws SessionError ARGUMENT_INVALID */
  async count({ selection, except }: Pick<KickOrder, 'selection' | 'except'>): Promise<Matching> {
    const ids = idsOf(selection);
    if (ids) return { matching: ids.filter((id) => id !== except).length };
    const filter = this.filterOf(selection);
    const [counted, isSpared] = await Promise.all([
      this.online.count(filter, EXACT_UP_TO + 1),
      this.online.keeps(filter, except),
    ]);
    const without = (found: number): number => (isSpared ? Math.max(0, found - 1) : found);
    if (counted <= EXACT_UP_TO) return { matching: without(counted) };
    try {
      return { matching: without(await this.online.estimate(filter)) };
    } catch (error) {
      // A count that is too slow must not fail the order.
      if (!mayPass(error)) throw error;
      return { matching: without(counted), matchingIsMinimum: true };
    }
  }

  /** Audits and starts an order, which needs no listeners. `finished` rejects with what stopped it; steps stay done. */
  async begin(
    order: KickOrder,
    onProgress: (progress: KickProgress) => void,
  ): Promise<{ readonly finished: Promise<KickProgress> }> {
    const batches = this.batches(order);
    await this.audit.record({ type: 'BULK_KICK', by: order.by, detail: { ...detailOf(order), state: 'begun' } });
    const work = this.run(order, batches, onProgress).finally(() => this.running.delete(work));
    this.running.add(work);
    // The client may be gone.
    work.catch(() => undefined);
    return { finished: work };
  }

  private async run(
    order: KickOrder,
    batches: AsyncIterable<readonly string[]>,
    onProgress: (progress: KickProgress) => void,
  ): Promise<KickProgress> {
    const { by, comment, check, pace = 'gentle' } = order;
    let progress = NOTHING_DONE;
    let failure: { readonly cause: unknown } | null = null;
    try {
      let took = 0;
      for await (const ids of batches) {
        await pause(Math.min(PACES[pace].rest * took, MOST_REST_MS));
        const began = performance.now();
        if (this.isStopping) throw new SessionError('SESSION_STORE_UNAVAILABLE', 'The node is shutting down.');
        const step = await this.end(ids, { by, comment }, check);
        const { done, ended, pending } = progress;
        progress = { done: done + ids.length, ended: ended + step.ended, pending: pending + step.pending };
        onProgress(progress);
        took = performance.now() - began;
      }
    } catch (error) {
      failure = { cause: error };
    }
    const detail = { ...detailOf(order), ...progress, state: failure === null ? 'done' : 'stopped' };
    await this.audit
      .record({ type: 'BULK_KICK', by, ended: progress.ended, detail })
      .catch((error: unknown) => this.logger.warn(`Could not audit the end of a bulk kick: ${describeError(error)}`));
    if (failure) {
      this.logger.warn(`Bulk kick stopped after ${progress.done} sessions: ${describeError(failure.cause)}`);
      throw failure.cause;
    }
    return progress;
  }

  private async *batches({ selection, except, pace = 'gentle' }: KickOrder): AsyncGenerator<readonly string[]> {
    const { batch } = PACES[pace];
    const ids = idsOf(selection)?.filter((id) => id !== except);
    if (ids) {
      for (let from = 0; from < ids.length; from += batch) yield ids.slice(from, from + batch);
      return;
    }
    const filter = this.filterOf(selection);
    // Excludes later logins.
    const begun = this.runtime.clock.now() + 1;
    const until = { ...filter, created: { ...filter.created, to: Math.min(filter.created?.to ?? begun, begun) } };
    let from: readonly [number, string] | null = null;
    for (;;) {
      const places = await this.online.places(until, { from, backwards: false, limit: batch });
      const last = places.at(-1);
      const some = places.map(({ id }) => id).filter((id) => id !== except);
      if (some.length > 0) yield some;
      if (!last || places.length < batch) return;
      from = [last.at, last.id];
    }
  }

  /** Retries while the database is unavailable. Ends are idempotent, but an end whose reply was lost is not counted. */
  private async end(ids: readonly string[], kick: KickOptions, check: KickOrder['check']) {
    for (let attempt = 1; ; attempt++) {
      try {
        await check?.();
        return { ended: await this.operators.kickMany(ids, kick), pending: 0 };
      } catch (error) {
        if (error instanceof ChangePendingError) return { ended: ids.length, pending: ids.length };
        if (attempt === ATTEMPTS || !mayPass(error)) throw error;
        await pause(PAUSE_MS * attempt);
      }
    }
  }

  private filterOf(selection: KickSelection): OnlineFilter {
    return onlineFilter(this.online.realm, (selection as { readonly filter: OnlineCriteria }).filter);
  }
}

/** Null for a filter. @throws SessionError ARGUMENT_INVALID */
function idsOf(selection: KickSelection): readonly string[] | null {
  if (!('sessionIds' in selection)) return null;
  const { sessionIds: ids } = selection;
  if (!Array.isArray(ids) || ids.length === 0 || ids.length > MAX_IDS || !ids.every(isSessionId)) {
    throw invalidArgument('sessionIds', `must be a list of 1 to ${MAX_IDS} session ids`);
  }
  return [...new Set(ids)];
}

/** True if a retry may succeed. */
function mayPass(error: unknown): boolean {
  return error instanceof SessionError && error.code === 'SESSION_STORE_UNAVAILABLE';
}

/** Describes an order for the audit trail. */
function detailOf({ selection, comment, pace }: KickOrder): Readonly<Record<string, unknown>> {
  const words = { ...(comment !== undefined && { comment }), ...(pace === 'fast' && { pace }) };
  if ('sessionIds' in selection) return { sessionIds: selection.sessionIds.length, ...words };
  const filter = auditedFilter(selection.filter);
  return { filter: Object.keys(filter).length === 0 ? 'all' : filter, ...words };
}
