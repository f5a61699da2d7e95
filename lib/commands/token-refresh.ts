import type { ActivityRecorder } from '../journal/activity-recorder.js';
import type { Clock } from '../ports/clock.js';
import type { LifecycleEvents } from '../model/lifecycle-event.js';
import { type RefreshVerdict, type RotationRules, decideRefresh, refusalOf } from '../rules/rotation.js';
import { ChangePendingError, SessionError, TokenRefusedError, UnacknowledgedError } from '../model/session-error.js';
import type { SessionLookup } from '../verification/session-lookup.js';
import type { ChangedSession, SessionRepository } from '../ports/session-repository.js';
import { type UserSession, type SessionRecord, toSession } from '../model/session.js';
import { MAX_TOKEN_LENGTH, type TokenCodec } from '../tokens/token-codec.js';
import type { ParsedToken } from '../model/token-pair.js';
import type { IssuedTokens, TokenIssuer } from '../tokens/token-issuer.js';
import { type ChangeAcknowledgement, endsOf } from '../ports/verification-cache.js';

/** What a refresh gives. */
export interface RefreshResult extends IssuedTokens {
  readonly session: UserSession;
}

export interface TokenRefreshParts {
  readonly codec: TokenCodec;
  readonly issuer: TokenIssuer;
  readonly repository: Pick<SessionRepository, 'changeSession'>;
  readonly lookup: SessionLookup;
  readonly acknowledgement: ChangeAcknowledgement;
  readonly activity: ActivityRecorder;
  readonly events: LifecycleEvents;
  readonly clock: Clock;
  readonly rules: RotationRules;
}

/** Exchanges refresh tokens. What one comes to is decided by decideRefresh, under the lock of the session's row. */
export class TokenRefresh {
  /** Those that have not begun: retries of one client, and its tabs, take one turn together. */
  private readonly waiting = new Map<string, Promise<RefreshResult>>();

  constructor(private readonly parts: TokenRefreshParts) {}

  /** @throws TokenRefusedError, SessionError TOO_MANY_REFRESHES, SESSION_STORE_UNAVAILABLE */
  async refresh(text: unknown, ip: string | null, counts: boolean): Promise<RefreshResult> {
    const refreshed = await this.inTurn(text, ip);
    // Each call for itself: those that take one turn together may differ in this.
    this.parts.activity.record(refreshed.session.id, this.parts.clock.now(), ip, counts);
    return refreshed;
  }

  private async inTurn(text: unknown, ip: string | null): Promise<RefreshResult> {
    const { codec } = this.parts;
    if (typeof text !== 'string' || text.length === 0 || text.length > MAX_TOKEN_LENGTH) {
      throw new TokenRefusedError({ reason: 'TOKEN_MALFORMED' });
    }
    const token = codec.read('rt', text);
    if (!token || !codec.isAuthentic('rt', text)) throw new TokenRefusedError({ reason: 'TOKEN_INVALID' });
    // Without grace each use counts: a second one is theft, however soon it comes.
    if (this.parts.rules.mode.graceMs === 0) return this.exchange(token, text, ip);
    const key = `${token.hash} ${ip}`;
    const waiting = this.waiting.get(key);
    if (waiting) return waiting;
    const begins = () => this.waiting.delete(key);
    const exchange = this.exchange(token, text, ip, begins);
    this.waiting.set(key, exchange);
    // One that is refused before its turn has not begun.
    exchange.catch(() => this.waiting.get(key) === exchange && begins());
    return exchange;
  }

  /** @param begins called when the row is locked: who comes later is answered by what the row is then */
  private async exchange(
    token: ParsedToken,
    text: string,
    ip: string | null,
    begins: () => void = () => undefined,
  ): Promise<RefreshResult> {
    const { issuer, repository, rules } = this.parts;
    const step = await repository.changeSession<RefreshVerdict>(
      token.sessionId,
      (record, account, now) => {
        begins();
        return decideRefresh(token, ip, record && this.withPendingUse(record), account, now, rules, (subject, at) =>
          issuer.openSuccessor(subject, text, at),
        );
      },
      { beforeWaiting: () => this.refuse(token) },
    );
    const { pair, rotated } = await this.granted(step, token, ip);
    const record = step.record!;
    if (rotated) await this.publish(record);
    else if (!issuer.canMakeSuccessor(record, pair, text)) throw new TokenRefusedError({ reason: 'TOKEN_INVALID' });
    const tokens = await issuer.writeSuccessor(record, pair, text);
    return { ...tokens, session: toSession(record) };
  }

  /** Refuses from a read what is refused for good: it takes no connection from logins, however often the token comes back. */
  private async refuse(token: ParsedToken): Promise<ChangedSession<RefreshVerdict> | null> {
    const { clock, lookup, rules } = this.parts;
    const record = await lookup.find(token.sessionId);
    const result = refusalOf(token, record, clock.now(), rules);
    return result && { result, record, changed: false, ended: null };
  }

  private async granted(step: ChangedSession<RefreshVerdict>, token: ParsedToken, ip: string | null) {
    const { result, record, ended } = step;
    if (result.kind === 'granted') return result;
    if (result.kind === 'unknown') {
      throw new SessionError('SESSION_STORE_UNAVAILABLE', undefined, { cause: result.cause });
    }
    if (result.kind === 'too-many') throw new SessionError('TOO_MANY_REFRESHES');
    if (record && ended) {
      const { events, acknowledgement } = this.parts;
      const about = { sessionId: token.sessionId, userId: record.userId };
      if (ended.reason === 'REFRESH_REUSED') {
        events.emit({ type: 'session.refresh-reused', ...about, ip, renewedFrom: record.renewedFrom });
      }
      events.emit({ type: 'session.ended', ...about, reason: ended.reason });
      // The refusal stands, whether or not every node has heard of the end by now.
      await acknowledgement.acknowledged({ changes: endsOf([ended]) }).catch((error: unknown) => {
        if (!(error instanceof ChangePendingError)) throw error;
      });
    }
    throw new TokenRefusedError(await this.parts.lookup.explain(result.verdict));
  }

  /**
   * Where grace is over before every node has heard of the rotation by itself, the old tokens must be known everywhere as what
   * they are before the new ones are given out.
   */
  private async publish({ id, userId, version }: SessionRecord): Promise<void> {
    const { acknowledgement, events, rules } = this.parts;
    events.emit({ type: 'session.refreshed', sessionId: id, userId });
    const notice = { changes: [{ sessionId: id, version }] };
    if (rules.mode.graceMs > acknowledgement.silenceMs) return acknowledgement.announce(notice);
    try {
      await acknowledgement.acknowledged(notice);
    } catch (cause) {
      throw new UnacknowledgedError(cause, this.parts.clock.now());
    }
  }

  /** With the uses that the record does not have: those not written yet, and those that may have been lost. */
  private withPendingUse(record: SessionRecord): SessionRecord {
    const { activity } = this.parts;
    return { ...record, lastSeenAt: Math.max(activity.lastUse(record), activity.lostAt) };
  }
}
