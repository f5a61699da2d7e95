import type { ActivityRecorder } from '../journal/activity-recorder.js';
import { type Changes, type Outcome, changesOf } from '../changes/commit.js';
import type { Clock } from '../ports/clock.js';
import { type RefreshVerdict, type RotationRules, decideRefresh, refusalOf } from '../rules/rotation.js';
import { SessionError, TokenRefusedError } from '../model/session-error.js';
import type { SessionLookup } from '../verification/session-lookup.js';
import type { ChangedSession, SessionRepository } from '../ports/session-repository.js';
import { type SessionDetails, type SessionRecord, toDetails } from '../model/session.js';
import { MAX_TOKEN_LENGTH, type TokenCodec } from '../tokens/token-codec.js';
import type { ParsedToken } from '../model/token-pair.js';
import { type IssuedTokens, type TokenIssuer, asIssued } from '../tokens/token-issuer.js';

/** Result of `refresh`. */
export interface RefreshResult extends IssuedTokens {
  readonly session: SessionDetails;
}

/** Exchanges refresh tokens. decideRefresh decides under the lock of the session's row. */
export class Refreshes {
  /** Exchanges that have not begun. Retries and tabs of one client share one. */
  private readonly waiting = new Map<string, Promise<RefreshResult>>();

  constructor(
    private readonly parts: {
      readonly codec: TokenCodec;
      readonly issuer: TokenIssuer;
      readonly repository: Pick<SessionRepository, 'changeSession'>;
      readonly lookup: SessionLookup;
      readonly changes: Changes;
      readonly activity: ActivityRecorder;
      readonly clock: Clock;
      readonly rules: RotationRules;
    },
  ) {}

  /** @throws TokenRefusedError, SessionError TOO_MANY_REFRESHES, SESSION_STORE_UNAVAILABLE */
  async refresh(text: unknown, ip: string | null, counts: boolean): Promise<RefreshResult> {
    const refreshed = await this.inTurn(text, ip);
    // Per call, because calls that share an exchange may differ in `counts`.
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
    // Without grace every use counts: a second one is theft, however soon it comes.
    if (this.parts.rules.mode.graceMs === 0) return this.exchange(token, text, ip);
    const key = `${token.hash} ${ip}`;
    const waiting = this.waiting.get(key);
    if (waiting) return waiting;
    const begins = () => this.waiting.delete(key);
    const exchange = this.exchange(token, text, ip, begins);
    this.waiting.set(key, exchange);
    // An exchange refused before its turn has not begun.
    exchange.catch(() => this.waiting.get(key) === exchange && begins());
    return exchange;
  }

  /** @param begins called once the row is locked: later callers get an answer from the row as it is then */
  private async exchange(
    token: ParsedToken,
    text: string,
    ip: string | null,
    begins: () => void = () => undefined,
  ): Promise<RefreshResult> {
    const { changes, issuer, lookup, repository, rules } = this.parts;
    const { result, record } = await changes.commit({
      holding: [token.sessionId],
      transaction: () =>
        repository.changeSession<RefreshVerdict>(
          token.sessionId,
          (current, account, now) => {
            begins();
            return decideRefresh(
              token,
              ip,
              current && this.withPendingUse(current),
              account,
              now,
              rules,
              (subject, at) => issuer.openSuccessor(subject, text, at),
            );
          },
          { beforeWaiting: () => this.refuse(token) },
        ),
      outcomeOf: (step) => this.outcomeOf(step, ip),
    });
    if (result.kind === 'unknown') {
      throw new SessionError('SESSION_STORE_UNAVAILABLE', undefined, { cause: result.cause });
    }
    if (result.kind === 'too-many') throw new SessionError('TOO_MANY_REFRESHES');
    if (result.kind === 'refused') throw new TokenRefusedError(await lookup.explain(result.verdict));
    if (!result.rotated && !issuer.canMakeSuccessor(record!, result.pair, text)) {
      throw new TokenRefusedError({ reason: 'TOKEN_INVALID' });
    }
    const tokens = await issuer.writeSuccessor(record!, result.pair, text);
    return asIssued(record!.realm, { ...tokens, session: toDetails(record!) });
  }

  private outcomeOf(step: ChangedSession<RefreshVerdict>, ip: string | null): Outcome {
    const { record, changed, ended } = step;
    if (!record || !changed) return { reach: 'applied' };
    const { id: sessionId, userId, renewedFrom } = record;
    if (!ended) {
      const reach = this.parts.changes.reachOfRotation(this.parts.rules.mode.graceMs, 'required');
      return { ...changesOf(step), events: [{ type: 'session.refreshed', sessionId, userId }], reach };
    }
    const reused = { type: 'session.refresh-reused', sessionId, userId, ip, renewedFrom } as const;
    return { ended: [ended], events: ended.reason === 'REFRESH_REUSED' ? [reused] : [], reach: 'attempted' };
  }

  /** Refuses by a plain read what it can, so that replayed tokens take no connection from logins. */
  private async refuse(token: ParsedToken): Promise<ChangedSession<RefreshVerdict> | null> {
    const { clock, lookup, rules } = this.parts;
    const record = await lookup.find(token.sessionId);
    const result = refusalOf(token, record, clock.now(), rules);
    return result && { result, record, changed: false, ended: null };
  }

  /** Adds uses missing in the record: those not written yet, and those that may have been lost. */
  private withPendingUse(record: SessionRecord): SessionRecord {
    const { activity } = this.parts;
    return { ...record, lastSeenAt: Math.max(activity.lastUse(record), activity.lostAt) };
  }
}
