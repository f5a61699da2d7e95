import { type Changes, changesOf } from '../changes/commit.js';
import type { Clock } from '../ports/clock.js';
import { withDeadline } from '../async/deadline.js';
import { type RotationRules, decideUse } from '../rules/rotation.js';
import type { SessionRepository } from '../ports/session-repository.js';
import type { SessionRecord } from '../model/session.js';
import { type ParsedToken, isInGrace } from '../model/token-pair.js';
import type { TokenIssuer } from '../tokens/token-issuer.js';
import { type RenewedToken, pairOf } from '../model/verification.js';

/** After a failure, requests are answered without an attempt for this long. */
const PAUSE_MS = 1000;

/**
 * What the use of a good access token brings about beside its answer: its successor when it is near its end, and the grace
 * of the token before it. A bounded attempt: if the database cannot do it now the request is answered as it is, and the
 * next one tries again.
 */
export class TokenRenewal {
  private readonly running = new Map<string, Promise<SessionRecord | null>>();
  private pausedUntil = -Infinity;

  constructor(
    private readonly parts: {
      readonly repository: Pick<SessionRepository, 'changeSession'>;
      readonly issuer: TokenIssuer;
      readonly changes: Changes;
      readonly clock: Clock;
      readonly rules: RotationRules;
      /** Longest time that a request waits for it. Milliseconds. */
      readonly budgetMs: number;
    },
  ) {}

  /**
   * @param token a token that was judged VALID by the record
   * @returns its successor if it has one by now. Never rejects.
   */
  async afterUse(token: ParsedToken, text: string, record: SessionRecord): Promise<RenewedToken | null> {
    const { clock, issuer, rules } = this.parts;
    const latest = pairOf(token, record) === record.current ? await this.attempt(token, text) : record;
    if (!latest || rules.mode.renewWithinMs === null) return null;
    const successor = [...latest.superseded, latest.current].find((pair) => pair.generation === token.generation + 1);
    if (!successor || !isInGrace(successor, clock.now())) return null;
    if (!issuer.canMakeSuccessor(latest, successor, text)) return null;
    try {
      const { accessToken, accessExpiresAt, expiresIn } = await issuer.writeSuccessor(latest, successor, text);
      return { accessToken, accessExpiresAt, expiresIn };
    } catch {
      return null;
    }
  }

  /** Requests of the same token share an attempt. Null if it cannot be done now. */
  private attempt(token: ParsedToken, text: string): Promise<SessionRecord | null> {
    const { clock, budgetMs } = this.parts;
    if (clock.monotonic() < this.pausedUntil) return Promise.resolve(null);
    const key = `${token.sessionId}:${token.generation}`;
    let running = this.running.get(key);
    if (!running) {
      running = withDeadline(this.change(token, text), budgetMs)
        .catch(() => {
          this.pausedUntil = clock.monotonic() + PAUSE_MS;
          return null;
        })
        .finally(() => this.running.delete(key));
      this.running.set(key, running);
    }
    return running;
  }

  private async change(token: ParsedToken, text: string): Promise<SessionRecord | null> {
    const { changes, repository, issuer, rules, budgetMs } = this.parts;
    const { record } = await changes.commit({
      holding: [token.sessionId],
      transaction: () =>
        repository.changeSession(
          token.sessionId,
          (current, _account, now) =>
            decideUse(token, current, now, rules, (subject, at) => issuer.openSuccessor(subject, text, at)),
          { budgetMs },
        ),
      outcomeOf: (step) => ({
        ...changesOf(step),
        events:
          step.record && step.result
            ? [{ type: 'session.renewed', sessionId: step.record.id, userId: step.record.userId }]
            : [],
        reach: changes.reachOfRotation(rules.mode.graceMs, 'acknowledged'),
      }),
    });
    return record;
  }
}
