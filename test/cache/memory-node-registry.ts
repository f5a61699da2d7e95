import type { NodeList, NodeRow, NodeState, NodeRegistry, PollResult } from 'lib/node-registry.js';

/** What a call of the port consists of, in order; a test can hold each up, or make it fail. */
export type MembershipStep = 'write' | 'members' | 'changes' | 'list' | 'remove';

interface LoggedChange {
  readonly sessionId: string;
  readonly version: number;
  readonly at: number;
}

/** The port of the members and the change log, in memory: one for all nodes of a test, with a clock that the test sets. */
export class MemoryMembership implements NodeRegistry {
  before: (step: MembershipStep, nodeId: string) => Promise<void> | void = () => undefined;
  /** From when on changes were asked for, one for each poll that asked. */
  readonly asked: number[] = [];
  /** How often the list was read by nodes that wait. */
  lists = 0;
  private readonly rows = new Map<string, NodeRow>();
  private readonly log: LoggedChange[] = [];

  /** @param now the clock of the database @param silenceMs of rows that are put here without one */
  constructor(
    readonly now: () => number,
    private readonly silenceMs = 10_000,
  ) {}

  row(id: string): NodeRow | undefined {
    return this.rows.get(id);
  }

  /** The row of a node that is not there otherwise. */
  put(row: Partial<NodeRow> & { readonly id: string }): void {
    const { silenceMs } = this;
    const first = { caching: true, messaging: true, silenceMs, renewedAt: this.now(), poll: 1, polled: 0 };
    this.rows.set(row.id, { ...first, ...this.rows.get(row.id), ...row });
  }

  commit(sessionId: string, version: number, at = this.now()): void {
    this.log.push({ sessionId, version, at });
  }

  async poll({ id, ...state }: NodeState, changesSince: number | null): Promise<PollResult> {
    await this.before('write', id);
    const wasRegistered = this.rows.has(id);
    if (state.poll < (this.rows.get(id)?.poll ?? 0)) throw new Error('A later poll has written the row.');
    this.rows.set(id, { id, ...state, renewedAt: this.now() });
    await this.before('members', id);
    const members = this.read(id);
    const [databaseTime, measuredAt] = [this.now(), performance.now()];
    await this.before('changes', id);
    if (changesSince !== null) this.asked.push(changesSince);
    const changes = changesSince === null ? [] : this.log.filter(({ at }) => at >= changesSince);
    return {
      ...members,
      databaseTime,
      measuredAt,
      wasRegistered,
      changes: changes.map(({ sessionId, version }) => ({ sessionId, version })),
    };
  }

  async list(nodeId: string): Promise<NodeList> {
    await this.before('list', nodeId);
    this.lists++;
    return this.read(nodeId);
  }

  async leave(nodeId: string): Promise<void> {
    this.rows.delete(nodeId);
  }

  async remove(silent: readonly Pick<NodeRow, 'id' | 'poll'>[]): Promise<void> {
    for (const { id, poll } of silent) {
      await this.before('remove', id);
      if (this.rows.get(id)?.poll === poll) this.rows.delete(id);
    }
  }

  async purge(before: number, after: number): Promise<void> {
    const kept = this.log.filter(({ at }) => at >= before && at <= after);
    this.log.splice(0, this.log.length, ...kept);
  }

  private read(nodeId: string): NodeList {
    return { others: [...this.rows.values()].filter(({ id }) => id !== nodeId) };
  }
}
