import type { LoginResult, RefreshResult, Verification } from 'nestjs-latchkey';
import type { Services } from '../support/sessions.js';
import type { ForgetfulRedis, Snapshot } from './forgetful-redis.js';
import type { Step } from './rollback-steps.js';

interface ModelSession {
  readonly id: string;
  /** All that it ever had, the last one current. */
  readonly access: string[];
  readonly refresh: string[];
  claims: object;
  isLive: boolean;
}

export interface HistoryNode extends Services {
  readonly poll: () => Promise<void>;
  /** Resolves when it may go by what Redis holds. */
  readonly ready: () => Promise<void>;
}

export class RollbackHistory {
  readonly problems: string[] = [];
  private readonly sessions: ModelSession[] = [];
  private readonly moments: Snapshot[] = [];
  private isSuspended = false;
  private isLeftBehind = false;

  constructor(
    private readonly nodes: readonly HistoryNode[],
    private readonly redis: ForgetfulRedis,
    private readonly keyOf: (sessionId: string) => string,
    private readonly user: string,
  ) {}

  async run(steps: readonly Step[]): Promise<void> {
    for (const [index, step] of steps.entries()) {
      const besides = step.isBusy ? this.look() : null;
      await this.take(step);
      await besides;
      if (step.isSettled) await Promise.all(this.nodes.map((node) => node.poll()));
      await this.check(`after ${index}: ${step.what}`);
      this.moments.push(await this.redis.read(this.keys()));
    }
  }

  /** Leaves Redis as the next history expects it. */
  async end(): Promise<void> {
    await this.redis.fill(false);
    if (this.redis.isFailedOver) await this.fail(() => this.redis.failBack());
  }

  private async take({ what, node: at, session: which, keys, moment }: Step): Promise<void> {
    const { redis, user, isSuspended } = this;
    const node = this.nodes[at]!;
    const { tokens, operators } = node;
    const candidates = this.sessions.filter(({ isLive }) => isLive || which > 6);
    const session = candidates[which % Math.max(1, candidates.length)];
    const some = this.keys().filter((_, index) => keys & (1 << (index % 10)));
    switch (what) {
      case 'look':
        return;
      case 'login':
        if (!isSuspended) this.add(await tokens.login(user, { claims: { n: 0 } }));
        return;
      case 'kickUser':
        await operators.kickUser(user, { by: 'root' });
        this.sessions.forEach((one) => (one.isLive = false));
        return;
      case 'kickUserTwice':
        return this.endTwice(this.sessions, (each) => each.operators.kickUser(user, { by: 'root' }));
      case 'kickTwice':
        return session && this.endTwice([session], (each) => each.operators.kick(session.id, { by: 'root' }));
      case 'suspend':
        await operators.ban(user, { by: 'root', endSessions: false });
        this.isSuspended = true;
        return;
      case 'lift':
        await operators.liftBan(user, { by: 'root' });
        this.isSuspended = false;
        return;
      case 'drop':
        return redis.drop(some);
      case 'restore':
        return redis.restore(this.moments[moment % Math.max(1, this.moments.length)] ?? new Map(), some);
      case 'flush':
        return redis.flush();
      case 'fill':
      case 'empty':
        return redis.fill(what === 'fill');
      case 'cutMessages':
        return this.fail(() => redis.cutMessages());
      case 'leaveBehind':
        this.isLeftBehind = true;
        return redis.leaveBehind();
      case 'promote':
        return this.isLeftBehind ? this.fail(() => redis.promote()) : undefined;
      case 'failBack':
        return redis.isFailedOver ? this.fail(() => redis.failBack()) : undefined;
      default:
        if (session) await this.change(what, node, session);
    }
  }

  private async change(
    what: 'refresh' | 'reuse' | 'claims' | 'logout' | 'kick' | 'replace',
    { tokens, sessions, operators }: Services,
    session: ModelSession,
  ): Promise<void> {
    const current = { access: session.access.at(-1)!, refresh: session.refresh.at(-1)! };
    switch (what) {
      case 'refresh':
        if (!session.isLive || this.isSuspended) return;
        return this.note(session, await tokens.refresh(current.refresh));
      case 'reuse': {
        const older = session.refresh.at(-2);
        if (older === undefined || this.isSuspended) return;
        const outcome = await tokens.refresh(older).catch((error: { code?: string }) => error);
        if ('accessToken' in outcome) this.problems.push('an old refresh token was accepted');
        session.isLive = false;
        return;
      }
      case 'claims':
        if (!session.isLive) return;
        session.claims = { n: ((session.claims as { n: number }).n += 1) };
        await sessions.updateClaims(session.id, { ...session.claims });
        return;
      case 'replace':
        if (this.isSuspended) return;
        this.add(await tokens.login(this.user, { claims: { n: 0 }, presentedToken: current.access }));
        session.isLive = false;
        return;
      case 'logout':
        await tokens.logout(current.access);
        session.isLive = false;
        return;
      case 'kick':
        await operators.kick(session.id, { by: 'root' });
        session.isLive = false;
    }
  }

  /** By every node at once: the first that is acknowledged counts, though it may be the one that found nothing to end. */
  private async endTwice(
    sessions: readonly ModelSession[],
    end: (node: HistoryNode) => Promise<unknown>,
  ): Promise<void> {
    const ends = this.nodes.map(end);
    await Promise.race(ends);
    sessions.forEach((one) => (one.isLive = false));
    await this.check('after the first of two ends');
    await Promise.all(ends);
  }

  /** A failure of the connections; the history goes on when they are back. */
  private async fail(cause: () => Promise<void> | void): Promise<void> {
    await cause();
    await Promise.all(this.nodes.map((node) => node.ready()));
  }

  private add({ session, accessToken, refreshToken }: LoginResult): void {
    const known = { id: session.id, access: [accessToken], refresh: [refreshToken!] };
    this.sessions.push({ ...known, claims: { n: 0 }, isLive: true });
  }

  private note(session: ModelSession, { accessToken, refreshToken }: RefreshResult): void {
    session.access.push(accessToken);
    session.refresh.push(refreshToken!);
  }

  private keys(): string[] {
    return this.sessions.map(({ id }) => this.keyOf(id));
  }

  private look() {
    return Promise.all(
      this.nodes.flatMap(({ tokens }, node) =>
        this.sessions.flatMap((session, number) =>
          session.access.map(async (token, generation) => {
            const verdict: Verification = await tokens.verify(token);
            return { node, number, session, isCurrent: generation === session.access.length - 1, verdict };
          }),
        ),
      ),
    );
  }

  private async check(when: string): Promise<void> {
    for (const { node, number, session, isCurrent, verdict } of await this.look()) {
      const expected = session.isLive && isCurrent && !this.isSuspended ? 'VALID' : 'INVALID';
      const claims = verdict.status === 'VALID' ? JSON.stringify(verdict.session.claims) : null;
      const wanted = expected === 'VALID' ? JSON.stringify(session.claims) : null;
      if (verdict.status === expected && claims === wanted) continue;
      const what = `${isCurrent ? 'the' : 'an old'} token of session ${number} on node ${node}`;
      this.problems.push(
        `${when}: ${what} is ${verdict.status} ${claims ?? ''}, and should be ${expected} ${wanted ?? ''}`,
      );
    }
  }
}
