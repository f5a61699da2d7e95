import { type Changes, changesOf } from '../changes/commit.js';
import type { Clock } from '../ports/clock.js';
import { withDeadline } from '../async/deadline.js';
import { type RotationRules, decideUse } from '../rules/rotation.js';
import type { SessionRepository } from '../ports/session-repository.js';
import type { CopiedRecord, SessionRecord } from '../model/session.js';
import { type ParsedToken, isInGrace } from '../model/token-pair.js';
import type { SessionLookup } from './session-lookup.js';
import type { TokenIssuer } from '../tokens/token-issuer.js';
import { type RenewedToken, pairOf } from '../model/verification.js';

/** Skips attempts for this long after a failure. */
const PAUSE_MS = 1000;

/** Renews an access token near its expiry, and starts the grace of its parent. Best effort: the next request tries again. */
export class TokenRenewal {
  private readonly running = new Map<string, Promise<SessionRecord | null>>();
  private pausedUntil = -Infinity;

  constructor(
    private readonly parts: {
      readonly repository: Pick<SessionRepository, 'changeSession'>;
      readonly lookup: Pick<SessionLookup, 'find'>;
      readonly issuer: TokenIssuer;
      readonly changes: Changes;
      readonly clock: Clock;
      readonly rules: RotationRules;
      /** Longest time that a request waits for a renewal. Milliseconds. */
      readonly budgetMs: number;
    },
  ) {}

  /** @param token judged VALID against `record` @returns the successor if there is one by now. Never rejects. */
  async afterUse(token: ParsedToken, text: string, record: CopiedRecord): Promise<RenewedToken | null> {
    const { clock, issuer, rules } = this.parts;
    const isCurrent = pairOf(token, record) === record.current;
    const latest = isCurrent ? await this.once(token, () => this.change(token, text)) : await this.whole(token, record);
    if (!latest || rules.mode.renewWithinMs === null) return null;
    const successor = [...latest.superseded, latest.current].find((pair) => pair.generation === token.generation + 1);
    if (!successor || !isInGrace(successor, clock.now())) return null;
    if (!issuer.canMakeSuccessor(latest, successor, text)) return null;
    const tokens = await issuer.writeSuccessor(latest, successor, text).catch(() => null);
    if (!tokens) return null;
    const { accessToken, accessExpiresAt, expiresIn } = tokens;
    return { accessToken, accessExpiresAt, expiresIn };
  }

  /** Reads the row behind a copy without the nonce. */
  private whole(token: ParsedToken, record: CopiedRecord): SessionRecord | Promise<SessionRecord | null> {
    return 'nonce' in record
      ? (record as SessionRecord)
      : this.once(token, () => this.parts.lookup.find(token.sessionId));
  }

  /** Shares one attempt between requests with the same token. Null if it fails. */
  private once(token: ParsedToken, attempt: () => Promise<SessionRecord | null>): Promise<SessionRecord | null> {
    const { clock, budgetMs } = this.parts;
    if (clock.monotonic() < this.pausedUntil) return Promise.resolve(null);
    const key = `${token.sessionId}:${token.generation}`;
    let running = this.running.get(key);
    if (!running) {
      running = withDeadline(attempt(), budgetMs)
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
