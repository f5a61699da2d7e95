import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { Ban } from '../model/ban.js';
import type { Claims, SessionRecord } from '../model/session.js';
import type { EndedSession, PolicyNeeds } from '../model/session-change.js';
import type { TokenPair } from '../model/token-pair.js';
import { type AccountRef, accountRef } from '../model/user-key.js';
import type { LoginOutcome, LoginRequest, SessionRepository } from '../ports/session-repository.js';
import type { ManualClock } from './manual-clock.js';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
/** Lifetime of the sessions of `loginRequest`. */
export const DAY = 24 * HOUR;

/** Properties of a login of a test beside its user. */
export interface ContractLogin {
  readonly authenticatedAt?: number;
  readonly ticketEpoch?: number;
  /** Epoch before its claims were asked for. */
  readonly claimsEpoch?: number;
  readonly claims?: Claims;
  readonly impersonator?: string;
  /** Takes the place of every session that its policy sees. Default: it has a slot of its own. */
  readonly replaces?: boolean;
  readonly deviceId?: string;
  /** Idle timeout of its own. Milliseconds. */
  readonly idleMs?: number;
  /** Called with the ids of the sessions that `decide` sees, each time. */
  readonly onDecide?: (seen: readonly string[]) => void;
  /** Selects the sessions that `decide` sees. Default: all. */
  readonly needs?: PolicyNeeds;
  /** Id of the session whose token came with it. */
  readonly presented?: string;
  readonly keepReplacedData?: boolean;
  /** Lifetime of its tokens. Milliseconds; default: an hour. */
  readonly lifeMs?: number;
}

/** Makes a request for `SessionRepository.login`. */
export function loginRequest(realm: string, userId: string, login: ContractLogin = {}): LoginRequest {
  const id = randomHex();
  const account = accountRef(realm, userId);
  const { authenticatedAt = null, ticketEpoch = null, impersonator = null, replaces = false, deviceId = null } = login;
  return {
    account,
    open: (now) => {
      const current = tokenPair(1, now, login.lifeMs);
      return {
        id,
        realm,
        userId,
        userKey: account.key,
        userName: null,
        loginMethod: impersonator === null ? null : 'impersonation',
        deviceType: null,
        deviceId,
        deviceName: null,
        ip: '192.0.2.1',
        userAgent: null,
        claims: login.claims ?? {},
        createdAt: now,
        amr: ['pwd'],
        authenticatedAt: Math.min(authenticatedAt ?? now, now),
        impersonator,
        persistent: false,
        idleMs: login.idleMs ?? null,
        refreshMs: null,
        expiresAt: now + DAY,
        usableUntil: current.accessExpiresAt,
        nonce: randomHex(),
        current,
      };
    },
    ticketEpoch,
    claimsEpoch: login.claimsEpoch ?? null,
    authenticatedAt,
    impersonationComment: impersonator === null ? null : 'support',
    keepReplacedData: login.keepReplacedData ?? false,
    makeRoom: null,
    view: { needs: login.needs ?? 'all', deviceId, presentedSessionId: login.presented ?? null, chosenIds: [] },
    decide: (live) => {
      const ids = live.map((one) => one.id);
      login.onDecide?.(ids);
      return { kind: 'grant', slot: replaces ? 'single' : `session:${id}`, end: replaces ? ids : [] };
    },
  };
}

/** Makes the tokens of a generation. */
export function tokenPair(generation: number, now: number, lifeMs = HOUR): TokenPair {
  return {
    generation,
    keyId: '0123456789abcdef',
    signingKeyId: null,
    issuedAt: now,
    accessHash: randomBytes(32).toString('hex'),
    accessExpiresAt: now + lifeMs,
    refreshHash: null,
    refreshExpiresAt: null,
  };
}

function randomHex(): string {
  return randomBytes(16).toString('hex');
}

/** Repositories of one database, all with the same clock. It may hold other sessions. */
export interface RepositoriesUnderTest {
  /** Two of the realm `users`, as two nodes have them. */
  readonly nodes: readonly [SessionRepository, SessionRepository];
  /** One of another realm. */
  readonly foreign: SessionRepository;
  readonly clock: ManualClock;
}

export type Cases = Readonly<Record<string, (stage: Stage) => Promise<void>>>;

/** One case with users of its own. */
export class Stage {
  readonly clock: ManualClock;
  readonly node: SessionRepository;
  readonly other: SessionRepository;
  readonly foreign: SessionRepository;
  readonly user = `contract-${randomBytes(8).toString('hex')}`;
  readonly account = this.accountOf(this.user);

  constructor({ nodes, foreign, clock }: RepositoriesUnderTest) {
    [this.node, this.other] = nodes;
    this.foreign = foreign;
    this.clock = clock;
  }

  accountOf(userId: string): AccountRef {
    return accountRef('users', userId);
  }

  tryLogin(login?: ContractLogin, node = this.node, user = this.user): Promise<LoginOutcome> {
    return node.login(loginRequest('users', user, login));
  }

  async login(login?: ContractLogin, user?: string): Promise<SessionRecord> {
    const outcome = await this.tryLogin(login, this.node, user);
    assert.ok(outcome.kind === 'granted', `the login came to ${outcome.kind}`);
    return outcome.session;
  }

  async record(id: string): Promise<SessionRecord> {
    const found = await this.other.findSessions([id]);
    assert.equal(found.length, 1);
    return found[0]!;
  }

  ban(ban: Partial<Ban>, endSessions: boolean, node = this.node) {
    const draft = { service: null, level: 1, comment: null, until: null, by: 'root', ...ban };
    return node.ban(this.account, draft, endSessions);
  }

  async endAll(except: string | null, raiseEpoch: boolean): Promise<readonly EndedSession[]> {
    const end = { reason: 'SESSION_REVOKED', by: this.user } as const;
    return (await this.node.endAccountSessions(this.account, end, { except, raiseEpoch })).ended;
  }
}
