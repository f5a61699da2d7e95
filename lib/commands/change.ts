import { type Changes, changesOf } from '../changes/commit.js';
import { checkClaims } from './arguments.js';
import type { LifecycleEvents } from '../model/session-event.js';
import { SessionError, invalidArgument } from '../model/session-error.js';
import type { SessionLookup } from '../verification/session-lookup.js';
import type { SessionRepository } from '../ports/session-repository.js';
import type { EventDraft } from '../model/session-change.js';
import { type Claims, type SessionDetails, type SessionPatch, toDetails } from '../model/session.js';

/** Changes live sessions. Resolves once every node sees the change. */
export class SessionChanges {
  constructor(
    private readonly parts: {
      readonly repository: Pick<SessionRepository, 'changeSession'>;
      readonly changes: Changes;
      readonly events: LifecycleEvents;
      readonly lookup: Pick<SessionLookup, 'refuseOver'>;
    },
  ) {}

  async reauthenticate(sessionId: string, ip: string | null, amr: readonly string[]): Promise<SessionDetails> {
    const events = [{ type: 'REAUTHENTICATED' as const, ip, ...(amr.length > 0 && { detail: { amr } }) }];
    const session = await this.change(sessionId, (now) => ({ reauthenticatedAt: now, amr }), events);
    this.parts.events.emit({ type: 'session.reauthenticated', sessionId, userId: session.userId });
    return session;
  }

  async updateClaims(sessionId: string, claims: Claims): Promise<SessionDetails> {
    if (claims === undefined) throw invalidArgument('claims', 'must be a plain JSON object');
    const checked = checkClaims(claims);
    return this.change(sessionId, () => ({ claims: checked }));
  }

  private async change(
    sessionId: string,
    patchOf: (now: number) => SessionPatch,
    events: readonly EventDraft[] = [],
  ): Promise<SessionDetails> {
    const { changes, lookup, repository } = this.parts;
    const { record, changed } = await changes.commit({
      holding: [sessionId],
      transaction: () =>
        repository.changeSession(
          sessionId,
          (current, _account, now) => {
            if (!current || current.end || now >= current.usableUntil) return { result: null };
            return { result: null, patch: patchOf(now), events };
          },
          { beforeWaiting: () => lookup.refuseOver(sessionId) },
        ),
      outcomeOf: (step) => ({ ...changesOf(step), reach: 'acknowledged' }),
    });
    if (!record || !changed) throw new SessionError('SESSION_NOT_FOUND');
    return toDetails(record);
  }
}
