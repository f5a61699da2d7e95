import type { ActivityRecorder } from '../journal/activity-recorder.js';
import type { Changes } from '../changes/commit.js';
import type { Clock } from '../ports/clock.js';
import type { ApplicationCalls } from './application-calls.js';
import { withDeadline } from '../async/deadline.js';
import { decideSlot, needsOf, tooManySessions } from '../rules/device-policy.js';
import type { LiveSession } from '../model/session-change.js';
import { type AccountRecord, accountBan } from '../model/ban.js';
import { type CheckedLogin, type LoginOptions, checkLogin, checkTime } from './arguments.js';
import { type CheckedLife, type LifeLimits, checkLife, shorterLife } from './login-life.js';
import type { impersonationOf } from './operator-arguments.js';
import { type PolicyOption, pickPolicy } from './policy-choice.js';
import type { LifecycleEvents } from '../model/session-event.js';
import { readTicket } from '../tokens/login-ticket.js';
import type { SecretKeys } from '../tokens/secret-keys.js';
import type { SessionEnding } from './end.js';
import { SessionError } from '../model/session-error.js';
import { limitReached, readChoice } from './limit-choice.js';
import type { LoginOutcome, LoginRequest, SessionRepository } from '../ports/session-repository.js';
import {
  type EndReason,
  type NewSession,
  type SessionRecord,
  type SessionDetails,
  toDetails,
} from '../model/session.js';
import { randomId } from '../tokens/token-codec.js';
import { type IssuedTokens, type PairSecrets, type TokenIssuer, asIssued } from '../tokens/token-issuer.js';
import { lastUse } from '../model/token-pair.js';
import { type AccountRef, accountRef, actorText } from '../model/user-key.js';
import type { Verifier } from '../verification/verifier.js';

/** Result of `login`. */
export interface LoginResult extends IssuedTokens {
  readonly session: SessionDetails;
  /** Sessions that this login ended. */
  readonly ended: readonly EndedSessionSummary[];
}

export interface EndedSessionSummary {
  readonly sessionId: string;
  readonly reason: EndReason;
}

interface PendingLogin {
  readonly account: AccountRef;
  readonly input: CheckedLogin;
  readonly life: CheckedLife;
  readonly authenticatedAt: number | null;
  readonly ticketEpoch: number | null;
  readonly makeRoom: LoginRequest['makeRoom'];
  readonly presented: SessionRecord | null;
  readonly impersonation: Impersonation | null;
}

type Impersonation = ReturnType<typeof impersonationOf>;

/** How often a login asks for its claims, while they change. */
const MOST_ASKED = 8;

/** Opens sessions: mints the tokens, and records the session in the slot that the policy picks. */
export class Logins {
  constructor(
    private readonly parts: {
      readonly keys: SecretKeys;
      readonly issuer: TokenIssuer;
      readonly verifier: Verifier;
      readonly ending: SessionEnding;
      readonly changes: Changes;
      readonly events: LifecycleEvents;
      readonly application: ApplicationCalls;
      readonly lives: LifeLimits;
      readonly policy: PolicyOption;
      readonly repository: SessionRepository;
      readonly activity: ActivityRecorder;
      readonly clock: Clock;
      /** Time limit of a login, waiting for earlier logins of the account included. Milliseconds. */
      readonly loginBudgetMs: number;
      /** Keeps the data of replaced sessions readable. */
      readonly keepReplacedData: boolean;
    },
  ) {}

  /** See TokenService.login and OperatorService.impersonate. */
  async login(
    account: AccountRef,
    options: LoginOptions,
    impersonation: Impersonation | null = null,
  ): Promise<LoginResult> {
    const { activity, ending, events, issuer, keys, repository, verifier } = this.parts;
    const input = checkLogin(options);
    const life = checkLife(options.life, this.parts.lives);
    const choice = readChoice(this.parts, account, options.makeRoom);
    const authenticatedAt = checkTime(options.authenticatedAt, 'authenticatedAt') ?? choice?.authenticatedAt ?? null;
    const ticketEpoch =
      options.ticket === undefined ? (choice?.epoch ?? null) : readTicket(keys, account, options.ticket);
    const makeRoom = choice?.makeRoom ?? null;
    const operator = impersonation && accountRef(account.realm, impersonation.by);
    const epoch = operator && this.epochOf(await repository.readAccount(operator));
    if (operator && epoch === null) throw new SessionError('FORBIDDEN');
    const presented = await verifier.findHolder(options.presentedToken);
    const secrets = issuer.randomSecrets();
    const login = { account, input, life, authenticatedAt, ticketEpoch, makeRoom, presented, impersonation };
    const outcome = await this.recordWithClaims(login, options.claims, secrets);
    if (outcome.kind === 'limit-reached') {
      const live = outcome.live.map((one) => this.withPendingUse(one));
      throw limitReached(this.parts, login, { ...outcome, live });
    }
    if (outcome.kind === 'choice-void') throw new SessionError('LOGIN_CHOICE_INVALID');
    if (outcome.kind === 'superseded') throw superseded(outcome.clockSetBackBy);
    if (outcome.kind === 'banned') throw new SessionError('ACCOUNT_DISABLED');
    const { session, ended } = outcome;
    // It read the epoch of the realm before everything in it was ended, which came first.
    const massEnd = this.parts.changes.endOf(session);
    if (massEnd) throw new SessionError(massEnd.reason);
    // Waits for a kick or ban of the operator that began too early to see this session. A later one sees it.
    if (operator && this.epochOf(await repository.readSettledAccount(operator)) !== epoch) {
      await ending.endOne(session.id, 'SESSION_KICKED', operator.userId);
      throw new SessionError('FORBIDDEN');
    }
    const tokens = await issuer.write(session, session.current, secrets);
    const { id: sessionId, userId, deviceType, ip, impersonator, createdAt } = session;
    activity.recordLogin(sessionId, createdAt, ip);
    events.emit({ type: 'session.login', sessionId, userId, deviceType, ip, impersonator });
    // The policy must not end sessions of other users or of impersonators.
    const isPolicys = presented?.userKey === account.key && presented.impersonator === null;
    if (presented && !presented.end && !isPolicys) await ending.logOut(presented);
    return asIssued(session.realm, {
      ...tokens,
      session: toDetails(session),
      ended: ended.map((one) => ({ sessionId: one.sessionId, reason: one.reason })),
    });
  }

  /** Asks again for claims that may be older than a change of them. */
  private async recordWithClaims(given: PendingLogin, claims: unknown, secrets: PairSecrets) {
    const { account, impersonation } = given;
    const by = impersonation?.by ?? null;
    for (let asked = 0; asked < MOST_ASKED; asked++) {
      const { input, claimsEpoch } = await this.parts.application.complete(account, given.input, claims, by);
      const outcome = await this.record({ ...given, input }, claimsEpoch, secrets);
      if (outcome.kind !== 'outdated') return outcome;
    }
    const cause = new Error(`the claims of the user "${account.userId}" changed ${MOST_ASKED} times during the login`);
    throw new SessionError('SESSION_STORE_UNAVAILABLE', undefined, { cause });
  }

  /** Null for a banned operator. */
  private epochOf({ bans, epoch }: AccountRecord): number | null {
    return accountBan(bans, this.parts.clock.now()) ? null : epoch;
  }

  /** Lets the policy decide under the account's lock. Fails while a node may still accept a replaced token. */
  private async record(
    login: PendingLogin,
    claimsEpoch: number | null,
    secrets: PairSecrets,
  ): Promise<Exclude<LoginOutcome, { kind: 'too-many' }>> {
    const { changes, keepReplacedData, loginBudgetMs, repository } = this.parts;
    const { account, input, presented, impersonation, authenticatedAt, ticketEpoch, makeRoom } = login;
    const [id, nonce] = [randomId(), randomId()];
    const { deviceType, deviceId, claims } = input;
    const { userId } = account;
    const { policy, life } = pickPolicy(this.parts.policy, { userId, deviceType, claims }, this.parts.lives);
    const opened = { ...login, life: shorterLife(login.life, life) };
    const request: LoginRequest = {
      account,
      ticketEpoch,
      claimsEpoch,
      authenticatedAt,
      impersonationComment: impersonation?.comment ?? null,
      keepReplacedData,
      makeRoom,
      view: {
        needs: needsOf(policy),
        deviceId,
        presentedSessionId: presented?.userKey === account.key ? presented.id : null,
        chosenIds: makeRoom && makeRoom.end !== 'oldest' ? makeRoom.end : [],
      },
      open: (now) => this.open(opened, { id, nonce, secrets }, now),
      decide: (live, now) =>
        decideSlot(
          policy,
          { sessionId: id, deviceType, deviceId, presentedSessionId: presented?.id ?? null, now },
          live.map((one) => this.withPendingUse(one)),
        ),
    };
    const outcome = await changes.commit({
      holding: [account.key],
      transaction: () => withDeadline(repository.login(request), loginBudgetMs),
      outcomeOf: (outcome) => {
        const isUnsettled = outcome.kind === 'granted' && outcome.unsettled;
        const mayBeAccepted = outcome.ended.length > 0 || presented !== null || isUnsettled;
        const keys = mayBeAccepted ? [account.key, ...(presented ? [presented.id] : [])] : [];
        return { ended: outcome.ended, keys, reach: 'required' };
      },
    });
    if (outcome.kind === 'too-many') throw tooManySessions(policy, userId);
    return outcome;
  }

  /** Adds uses that this node has not written yet. */
  private withPendingUse(session: LiveSession): LiveSession {
    const { activity } = this.parts;
    const presentedAt = session.presentedAt ?? activity.peek(session.id)?.at ?? null;
    return { ...session, lastSeenAt: activity.lastUse(session), presentedAt };
  }

  private open(
    { account, input, life, authenticatedAt, impersonation }: PendingLogin,
    { id, nonce, secrets }: { readonly id: string; readonly nonce: string; readonly secrets: PairSecrets },
    now: number,
  ): NewSession {
    const { issuer, lives } = this.parts;
    const { maxAgeMs, idleMs, refreshMs } = life;
    const subject = {
      id,
      realm: account.realm,
      userId: account.userId,
      userKey: account.key,
      nonce,
      expiresAt: now + Math.min(maxAgeMs ?? lives.mode.maxAgeMs, impersonation?.maxAgeMs ?? Infinity),
      idleMs,
      refreshMs,
    };
    const current = issuer.open(subject, 1, secrets, now);
    return {
      ...subject,
      ...input,
      createdAt: now,
      authenticatedAt: Math.min(authenticatedAt ?? now, now),
      impersonator: impersonation && actorText(impersonation.by),
      current,
      usableUntil: lastUse(current),
    };
  }
}

function superseded(clockSetBackBy: number): SessionError {
  if (clockSetBackBy === 0) return new SessionError('SESSION_REVOKED');
  const cause = new Error(
    `the clock of the database was set back by more than ${clockSetBackBy} ms since the credentials changed: until it has caught ` +
      'up, "authenticatedAt" cannot tell what came first. Call beginLogin() before the password is checked, and give its "ticket"',
  );
  return new SessionError('SESSION_REVOKED', undefined, { cause });
}
