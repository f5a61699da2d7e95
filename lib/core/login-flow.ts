import type { ActivityRecorder } from './activity-recorder.js';
import type { Clock } from './clock.js';
import { withDeadline } from './deadline.js';
import type { DevicePolicy, LiveSession } from './device-policy.js';
import { KeyedQueue } from './keyed-queue.js';
import type { CheckedLogin } from './login-input.js';
import type { SecretKeys } from './secret-keys.js';
import { SessionError } from './session-error.js';
import type { LoginOutcome, SessionRepository } from './session-repository.js';
import type { NewSession, Session } from './session.js';
import { type TokenCodec, randomId } from './token-codec.js';
import type { TokenLifetimes } from './token-lifetimes.js';
import type { AccountRef } from './user-key.js';

/** What the application can know of a login when it picks a policy for it. */
export interface PolicyContext {
  readonly userId: string;
  readonly deviceType: string | null;
  readonly claims: Session['claims'];
}

/** One policy for all logins, or a function that picks one for each. */
export type PolicyOption = DevicePolicy | ((login: PolicyContext) => DevicePolicy);

export interface LoginFlowParts {
  readonly keys: SecretKeys;
  readonly codec: TokenCodec;
  readonly lifetimes: TokenLifetimes;
  readonly policy: PolicyOption;
  readonly repository: SessionRepository;
  readonly activity: ActivityRecorder;
  readonly clock: Clock;
  /** How long a login may take, its wait for earlier logins of the account included. Milliseconds. */
  readonly loginBudgetMs: number;
}

/** A login that has been checked and is to be recorded. */
export interface PendingLogin {
  readonly account: AccountRef;
  readonly input: CheckedLogin;
  readonly authenticatedAt: number | undefined;
  readonly ticketEpoch: number | null;
  readonly presentedSessionId: string | null;
}

/** Mints the token of a login, and records the session in the slot that the policy decides on. */
export class LoginFlow {
  private readonly queue = new KeyedQueue();

  constructor(private readonly parts: LoginFlowParts) {}

  async record(login: PendingLogin): Promise<{ token: string; outcome: LoginOutcome }> {
    const policy = this.pickPolicy(login);
    const id = randomId();
    const { token, hash } = this.parts.codec.mint('at', id, 1);
    const nonce = randomId();
    const { account, input, presentedSessionId, ticketEpoch } = login;
    const decide = (live: readonly LiveSession[], now: number) =>
      policy.decide(
        { sessionId: id, deviceType: input.deviceType, deviceId: input.deviceId, presentedSessionId, now },
        live.map((one) => ({ ...one, lastSeenAt: this.lastSeen(one) })),
      );
    const open = (now: number) => this.open(login, { id, hash, nonce }, now);
    const outcome = await this.inAccountOrder(account, () =>
      this.parts.repository.login({ account, open, ticketEpoch, decide }),
    );
    return { token, outcome };
  }

  private pickPolicy({ account, input }: PendingLogin): DevicePolicy {
    const { policy } = this.parts;
    if (typeof policy !== 'function') return policy;
    return policy({ userId: account.userId, deviceType: input.deviceType, claims: input.claims });
  }

  private open(
    { account, input, authenticatedAt }: PendingLogin,
    { id, hash, nonce }: { readonly id: string; readonly hash: string; readonly nonce: string },
    now: number,
  ): NewSession {
    const { keys, lifetimes } = this.parts;
    const expiresAt = now + lifetimes.maxAgeMs;
    const accessExpiresAt = Math.min(now + lifetimes.accessMs, expiresAt);
    return {
      id,
      realm: account.realm,
      userId: account.userId,
      userKey: account.key,
      ...input,
      createdAt: now,
      authenticatedAt: Math.min(authenticatedAt ?? now, now),
      expiresAt,
      accessHash: hash,
      accessExpiresAt,
      usableUntil: accessExpiresAt,
      keyId: keys.currentKeyId,
      nonce,
    };
  }

  /** The logins of one account wait in this process, not on a connection each, and each is answered within its budget. */
  private inAccountOrder(account: AccountRef, record: () => Promise<LoginOutcome>): Promise<LoginOutcome> {
    const { clock, loginBudgetMs } = this.parts;
    const deadline = clock.monotonic() + loginBudgetMs;
    const inTime = () =>
      clock.monotonic() < deadline ? record() : Promise.reject(new SessionError('SESSION_STORE_UNAVAILABLE'));
    return withDeadline(this.queue.run(account.key, inTime), loginBudgetMs);
  }

  /** This node may know of a use that is not written yet. */
  private lastSeen(session: LiveSession): number {
    return Math.max(session.lastSeenAt, this.parts.activity.peek(session.id)?.at ?? 0);
  }
}
