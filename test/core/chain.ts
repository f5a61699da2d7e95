import { opaqueAccessTokens } from 'lib/access-token-format.js';
import { type RefreshVerdict, type RotationRules, decideRefresh, decideUse } from 'lib/rotation.js';
import type { SessionDecision } from 'lib/session-change.js';
import type { AccountState } from 'lib/model/ban.js';
import type { SessionRecord } from 'lib/model/session.js';
import { randomId } from 'lib/token-codec.js';
import { type IssuedTokens, TokenIssuer } from 'lib/token-issuer.js';
import type { TokenMode } from 'lib/token-mode.js';
import { lastUse } from 'lib/token-pair.js';
import { type Verdict, judge } from 'lib/verification.js';
import { ManualClock } from 'nestjs-latchkey/testing';
import { recordOf } from '../cache/records.js';
import { TokenMint } from '../support/mint.js';

export const START = 1_800_000_000_000;
const SECRET = 'secret of the chain tests, of thirty-two bytes';

/** One session as a row of one would go through its life: decisions are applied one after the other. */
export class Chain {
  readonly clock = new ManualClock(START);
  record: SessionRecord;
  first!: IssuedTokens;
  account: AccountState = { bans: [], notBefore: 0 };
  private rules: RotationRules;

  private constructor(
    public mode: TokenMode,
    private mint: TokenMint,
    idleMs: number | null,
  ) {
    this.rules = { mode, endReasonTtlMs: 86_400_000, idleMs, allowLongerLife: false, idleSlackMs: 20_000 };
    this.record = {} as SessionRecord;
  }

  static async open(mode: TokenMode, options: { idleMs?: number; secret?: string[] } = {}): Promise<Chain> {
    const chain = new Chain(mode, new TokenMint(options.secret ?? SECRET), options.idleMs ?? null);
    const { issuer } = chain;
    const expiresAt = START + mode.maxAgeMs;
    const subject = { id: randomId(), userId: 'alice', realm: 'users', nonce: randomId(), expiresAt, refreshMs: null };
    const secrets = issuer.randomSecrets();
    const current = issuer.open(subject, 1, secrets, START);
    const times = { createdAt: START, authenticatedAt: START, lastSeenAt: START };
    chain.record = recordOf({ ...subject, ...times, current, usableUntil: lastUse(current) });
    chain.first = await issuer.write(subject, current, secrets);
    return chain;
  }

  get issuer(): TokenIssuer {
    const { keys, codec } = this.mint;
    const format = opaqueAccessTokens(codec);
    return new TokenIssuer({ keys, codec, format, mode: this.mode, clock: this.clock, allowLongerLife: false });
  }

  withSecrets(secrets: string[]): void {
    this.mint = new TokenMint(secrets);
  }

  withMode(mode: TokenMode): void {
    this.mode = mode;
    this.rules = { ...this.rules, mode };
  }

  verdict(accessToken: string): Verdict {
    return judge(this.mint.codec.read('at', accessToken)!, this.record, this.clock.now(), this.rules);
  }

  /** Uses an access token as a request does. @returns the successor in the answer, if there is one */
  async use(accessToken: string): Promise<IssuedTokens | null> {
    const token = this.mint.codec.read('at', accessToken)!;
    const open = (record: SessionRecord, now: number) => this.issuer.openSuccessor(record, accessToken, now);
    this.apply(decideUse(token, this.record, this.clock.now(), this.rules, open));
    const { superseded, current } = this.record;
    const successor = [...superseded, current].find((pair) => pair.generation === token.generation + 1);
    return successor ? this.issuer.writeSuccessor(this.record, successor, accessToken) : null;
  }

  async refresh(refreshToken: string, ip: string | null = null): Promise<RefreshVerdict & { tokens?: IssuedTokens }> {
    const token = this.mint.codec.read('rt', refreshToken)!;
    const open = (record: SessionRecord, now: number) => this.issuer.openSuccessor(record, refreshToken, now);
    const result = this.apply(decideRefresh(token, ip, this.record, this.account, this.clock.now(), this.rules, open));
    if (result.kind !== 'granted') return result;
    return { ...result, tokens: await this.issuer.writeSuccessor(this.record, result.pair, refreshToken) };
  }

  /** The pair that a refresh gives. @throws unless it gives one */
  async next(refreshToken: string): Promise<IssuedTokens> {
    const result = await this.refresh(refreshToken);
    if (!result.tokens) throw new Error(`Refused: ${JSON.stringify(result)}`);
    return result.tokens;
  }

  private apply<T>({ result, patch, end }: SessionDecision<T>): T {
    if (this.record.end) return result;
    const version = this.record.version + 1;
    if (end) {
      const { reason, by, at = this.clock.now() } = end;
      this.record = { ...this.record, version, end: { reason, by, at, replacedBy: null } };
    } else if (patch) {
      this.record = { ...this.record, ...patch, version };
    }
    return result;
  }
}
