import type { LifecycleEvent, LifecycleEvents } from '../model/session-event.js';
import { ChangePendingError, UnacknowledgedError } from '../model/session-error.js';
import type { SessionEnd, SessionRecord } from '../model/session.js';
import type { ScopeChange } from '../model/mass-end.js';
import type { EndedSession } from '../model/session-change.js';
import type { Clock } from '../ports/clock.js';
import type { SessionChange } from '../ports/node-registry.js';
import type { ChangedSession } from '../ports/session-repository.js';
import type { SharedCopies } from '../ports/verification-cache.js';

/**
 * How far a change must reach before its call continues.
 *
 * - `applied`: this node only. Others read it in the change log, and nothing depends on when.
 * - `announced`: other nodes are notified, without waiting.
 * - `acknowledged`: every node applies it. Throws ChangePendingError if some node does not acknowledge in time.
 * - `required`: as `acknowledged`, for calls that issue a token: throws UnacknowledgedError, and issues nothing.
 * - `attempted`: as `acknowledged`, for calls that refuse a token: the refusal stands, and no error is thrown.
 */
export type Reach = 'applied' | 'announced' | 'acknowledged' | 'required' | 'attempted';

/** Effects of a transaction on sessions, and what must follow. */
export interface Outcome {
  readonly ended?: readonly EndedSession[];
  /** Sessions that live on in a new version. */
  readonly changed?: readonly SessionChange[];
  /** New versions of accounts, and the end of everything in the realm. */
  readonly scopes?: readonly ScopeChange[];
  /** See ChangeNotice. Set even if there was nothing left to do: the call may repeat one that was not acknowledged. */
  readonly keys?: readonly string[];
  /** Emitted before `session.ended`, which follows for every session in `ended`. */
  readonly events?: readonly LifecycleEvent[];
  readonly reach: Reach;
}

export interface Change<T> {
  /** Session ids and account keys that the transaction may change. */
  readonly holding: readonly string[];
  readonly transaction: () => Promise<T>;
  readonly outcomeOf: (result: T) => Outcome;
}

/** Single path of all changes of sessions, and the only place that knows what follows a commit. */
export class Changes {
  constructor(
    private readonly parts: {
      readonly copies: SharedCopies;
      readonly events: LifecycleEvents;
      readonly clock: Pick<Clock, 'now'>;
    },
  ) {}

  /**
   * Holds the copies that may change until the outcome is known, or for as long as the commit may still arrive: a
   * second end of the same session, finding nothing to end, would be acknowledged while a copy still answers.
   */
  async commit<T>({ holding, transaction, outcomeOf }: Change<T>): Promise<T> {
    const releases = holding.map((key) => this.parts.copies.hold(key));
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

  /** Returns how a session that was just recorded ended with all others, if this node knows of such an end by now; else null. */
  endOf(record: SessionRecord): SessionEnd | null {
    return this.parts.copies.endOf(record);
  }

  /** Notifies every node of a change that is already committed. */
  async settle(outcome: Outcome): Promise<void> {
    this.apply(outcome);
    await this.tell(outcome);
  }

  /** No rotation waits if the grace of old tokens is longer than any node can go without learning of it. */
  reachOfRotation<R extends Reach>(graceMs: number, otherwise: R): R | 'announced' {
    return graceMs > this.parts.copies.silenceMs ? 'announced' : otherwise;
  }

  private apply({ events = [], ended = [], ...outcome }: Outcome): void {
    this.parts.copies.forget(noticeOf({ ended, ...outcome }), ended);
    for (const event of events) this.parts.events.emit(event);
    for (const { sessionId, userId, reason } of ended) {
      this.parts.events.emit({ type: 'session.ended', sessionId, userId, reason });
    }
  }

  private async tell(outcome: Outcome): Promise<void> {
    const { reach } = outcome;
    const notice = noticeOf(outcome);
    if (reach === 'applied' || notice.changes.length + notice.scopes.length + notice.keys.length === 0) return;
    if (reach === 'announced') return this.parts.copies.announce(notice);
    try {
      await this.parts.copies.acknowledged(notice);
    } catch (error) {
      if (reach === 'required') throw new UnacknowledgedError(error, this.parts.clock.now());
      if (reach !== 'attempted' || !(error instanceof ChangePendingError)) throw error;
    }
  }
}

export function changesOf({ record, changed, ended }: ChangedSession<unknown>): Pick<Outcome, 'ended' | 'changed'> {
  if (ended) return { ended: [ended] };
  return record && changed ? { changed: [{ sessionId: record.id, version: record.version }] } : {};
}

function noticeOf({ ended = [], changed = [], scopes = [], keys = [] }: Outcome) {
  return { changes: [...changesOfEnds(ended), ...changed], scopes, keys };
}

function changesOfEnds(ended: readonly EndedSession[]): readonly SessionChange[] {
  return ended.map(({ sessionId, version, tombstone }) => ({ sessionId, version, end: tombstone.end }));
}
