import type { EndReason, LoginResult } from 'nestjs-latchkey';
import type { Services } from '../support/sessions.js';

/** What ends sessions in a history. */
export const ENDS = ['logout', 'logoutByRefresh', 'kick', 'kickUser', 'revoke', 'replace', 'ban'] as const;
/** What goes on at the same time. */
export const USES = ['verify', 'refresh', 'refreshTwice', 'write', 'confirm'] as const;

export type End = (typeof ENDS)[number];
export type Use = (typeof USES)[number];

/** Tokens that a history gave out for one session. */
interface Issued {
  readonly session: LoginResult;
  readonly access: Set<string>;
  readonly refresh: Set<string>;
}

/** Notes logins, uses and ends of one user. `violations`: an acknowledged end holds for every token of its session. */
export class History {
  private readonly issued: Issued[] = [];
  private readonly ended = new Set<Issued>();
  private readonly problems: string[] = [];

  /** @param nodes the services that calls are spread over */
  constructor(
    private readonly nodes: readonly Services[],
    private readonly userId: string,
  ) {}

  async login(): Promise<void> {
    this.add(await this.node(0).tokens.login(this.userId));
  }

  /** Runs uses and ends of the first session at the same time, each on the node of its number. */
  async race(uses: readonly Use[], ends: readonly End[]): Promise<void> {
    await Promise.all([
      ...uses.map((use, index) => this.use(use, this.node(index))),
      ...ends.map((end, index) => this.end(end, this.node(index + 1))),
    ]);
  }

  /** What is wrong now; nothing, if all is well. */
  async violations(): Promise<readonly string[]> {
    for (const [index, node] of this.nodes.entries()) {
      for (const issued of this.ended) await this.checkDead(issued, node, `at the end, node ${index}`);
    }
    return this.problems;
  }

  private async use(use: Use, node: Services): Promise<void> {
    const issued = this.issued[0]!;
    const { accessToken, refreshToken, session } = issued.session;
    try {
      if (use === 'verify') await node.tokens.verify(accessToken);
      if (use === 'write') await node.sessions.data(session.id).set('cart', ['apples']);
      if (use === 'confirm') await node.sessions.reauthenticate(session.id);
      if (use === 'refresh' || use === 'refreshTwice') {
        const next = await node.tokens.refresh(refreshToken);
        this.note(issued, next);
        if (use === 'refreshTwice') this.note(issued, await node.tokens.refresh(next.refreshToken));
      }
    } catch (error) {
      this.expectRefusal(error);
    }
  }

  private async end(end: End, node: Services): Promise<void> {
    const targets = end === 'logout' || end === 'logoutByRefresh' || end === 'kick' ? [this.issued[0]!] : this.issued;
    const before = [...targets];
    const { accessToken, refreshToken, session } = this.issued[0]!.session;
    if (end === 'logout') await node.tokens.logout(accessToken);
    if (end === 'logoutByRefresh') await node.tokens.logout(refreshToken);
    if (end === 'kick') await node.operators.kick(session.id, { by: 'admin' });
    if (end === 'kickUser') await node.operators.kickUser(this.userId, { by: 'admin' });
    if (end === 'revoke') await node.tokens.revokeSessions(this.userId);
    if (end === 'ban') await node.operators.ban(this.userId, { by: 'admin', until: node.tokens.now() + 1 });
    if (end === 'replace') await this.replace(node);
    for (const issued of before) {
      this.ended.add(issued);
      await this.checkDead(issued, node, `after the acknowledged ${end}`);
    }
  }

  /** A login under the single-device policy. It may be refused where a ban is in force; then it ended nothing. */
  private async replace(node: Services): Promise<void> {
    for (;;) {
      try {
        return this.add(await node.tokens.login(this.userId));
      } catch (error) {
        if ((error as { code?: string }).code !== 'ACCOUNT_DISABLED') throw error;
      }
    }
  }

  private add(session: LoginResult): void {
    const { accessToken, refreshToken } = session;
    this.issued.push({ session, access: new Set([accessToken]), refresh: new Set([refreshToken!]) });
  }

  private note(issued: Issued, next: { accessToken: string; refreshToken?: string }): void {
    issued.access.add(next.accessToken);
    issued.refresh.add(next.refreshToken!);
  }

  private async checkDead(issued: Issued, node: Services, when: string): Promise<void> {
    for (const token of issued.access) {
      const { status } = await node.tokens.verify(token);
      if (status !== 'INVALID') this.problems.push(`an access token is ${status} ${when}`);
    }
    for (const token of issued.refresh) {
      const answer = await node.tokens.refresh(token).then(
        () => 'accepted',
        (error: { refusal?: unknown; code?: string }) => (error.refusal ? 'refused' : `failed with ${error.code}`),
      );
      if (answer !== 'refused') this.problems.push(`a refresh token is ${answer} ${when}`);
    }
    const { id } = issued.session.session;
    if (Object.keys(await node.sessions.data(id).entries()).length > 0) this.problems.push(`data is left ${when}`);
    if ((await node.sessions.find(id))?.end === null) this.problems.push(`the record says live ${when}`);
  }

  private expectRefusal(error: unknown): void {
    const { code } = error as { code?: EndReason | 'SESSION_NOT_FOUND' };
    const refusals = ['SESSION_', 'ACCOUNT_DISABLED', 'TOKEN_', 'REFRESH_REUSED'];
    if (code === undefined || !refusals.some((refusal) => code.startsWith(refusal))) throw error;
  }

  private node(index: number): Services {
    return this.nodes[index % this.nodes.length]!;
  }
}
