import type { LifecycleEvent, LifecycleEvents } from '../model/lifecycle-event.js';
import { ChangePendingError, UnacknowledgedError } from '../model/session-error.js';
import type { EndedSession } from '../model/tombstone.js';
import type { Clock } from '../ports/clock.js';
import type { SessionChange } from '../ports/node-registry.js';
import type { ChangedSession } from '../ports/session-repository.js';
import type { SharedCopies } from '../ports/verification-cache.js';

/**
 * How far a change has come when its call goes on.
 *
 * - `applied`: true on this node. Others read it in the change log, and nothing depends on when.
 * - `announced`: other nodes are told, and not waited for.
 * - `acknowledged`: true on every node. Throws ChangePendingError if that is not known in time.
 * - `required`: the same for a call that gives out a token: throws UnacknowledgedError, and the caller gets nothing.
 * - `attempted`: the same for a call that refuses a token: the refusal stands, and no error is thrown.
 */
export type Reach = 'applied' | 'announced' | 'acknowledged' | 'required' | 'attempted';

/** What a transaction did to sessions, and what follows from it. */
export interface Outcome {
  readonly ended?: readonly EndedSession[];
  /** Sessions that live on in a new version. */
  readonly changed?: readonly SessionChange[];
  /** See ChangeNotice. Named also by a call that found nothing left to do: it may repeat one that was not acknowledged. */
  readonly keys?: readonly string[];
  /** Told before `session.ended`, which is told of every session in `ended`. */
  readonly events?: readonly LifecycleEvent[];
  readonly reach: Reach;
}

/** A change of sessions, to be committed. */
export interface Change<T> {
  /** Ids of the sessions, and keys of the accounts, that the transaction may change. */
  readonly holding: readonly string[];
  readonly transaction: () => Promise<T>;
  readonly outcomeOf: (result: T) => Outcome;
}

/** Every change of sessions goes through here: the one place that knows what follows a commit. */
export class Changes {
  constructor(
    private readonly copies: SharedCopies,
    private readonly events: LifecycleEvents,
    private readonly clock: Pick<Clock, 'now'>,
  ) {}

  /** See SharedCopies. */
  get settleMs(): number {
    return this.copies.settleMs;
  }

  /**
   * Holds the copies of what may change, runs the transaction, forgets what it made old, emits the events, and tells the other nodes.
   * No copy is used from before the transaction until its outcome is known: otherwise a second end of the same session, which finds
   * nothing left to end, would be acknowledged while the copy that the first is about to remove still answers. If the outcome is not
   * known, keys stay held for as long as the commit may still come.
   * @returns what the transaction returned
   */
  async commit<T>({ holding, transaction, outcomeOf }: Change<T>): Promise<T> {
    const releases = holding.map((key) => this.copies.hold(key));
    let result: T;
    let outcome: Outcome;
    let isKnown = false;
    try {
      result = await transaction();
      outcome = outcomeOf(result);
      this.apply(outcome);
      isKnown = true;
    } finally {
      for (const release of releases) release(isKnown);
    }
    await this.tell(outcome);
    return result;
  }

  /** Has every node hear of what is recorded already. */
  async settle(outcome: Outcome): Promise<void> {
    this.apply(outcome);
    await this.tell(outcome);
  }

  /**
   * Before a rotation gives out new tokens, every node must know the old ones as what they are; but where their grace is longer than
   * any node can go without hearing of it, no one needs to wait.
   */
  reachOfRotation<R extends Reach>(graceMs: number, otherwise: R): R | 'announced' {
    return graceMs > this.copies.silenceMs ? 'announced' : otherwise;
  }

  private apply({ events = [], ended = [], ...outcome }: Outcome): void {
    this.copies.forget(noticeOf({ ended, ...outcome }), ended);
    for (const event of events) this.events.emit(event);
    for (const { sessionId, userId, reason } of ended) {
      this.events.emit({ type: 'session.ended', sessionId, userId, reason });
    }
  }

  private async tell(outcome: Outcome): Promise<void> {
    const { reach } = outcome;
    const notice = noticeOf(outcome);
    if (reach === 'applied' || (notice.changes.length === 0 && notice.keys.length === 0)) return;
    if (reach === 'announced') return this.copies.announce(notice);
    try {
      await this.copies.acknowledged(notice);
    } catch (error) {
      if (reach === 'required') throw new UnacknowledgedError(error, this.clock.now());
      if (reach !== 'attempted' || !(error instanceof ChangePendingError)) throw error;
    }
  }
}

/** The part of an outcome that a step on one session decides. */
export function changesOf({ record, changed, ended }: ChangedSession<unknown>): Pick<Outcome, 'ended' | 'changed'> {
  if (ended) return { ended: [ended] };
  return record && changed ? { changed: [{ sessionId: record.id, version: record.version }] } : {};
}

function noticeOf({ ended = [], changed = [], keys = [] }: Outcome) {
  return { changes: [...ended.map(({ sessionId, version }) => ({ sessionId, version })), ...changed], keys };
}
