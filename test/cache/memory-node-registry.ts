import type { ScopeChange } from 'lib/mass-end.js';
import type {
  ChangeEnd,
  LogPosition,
  NodeList,
  NodeRow,
  NodeState,
  NodeRegistry,
  PollResult,
  SessionChange,
} from 'lib/node-registry.js';
import { PROTOCOL } from 'lib/node-presence.js';

/** What a call of the port consists of, in order; a test can hold each up, or make it fail. */
export type MembershipStep = 'write' | 'members' | 'changes' | 'list' | 'remove';

interface MemoryPosition extends LogPosition {
  /** How many changes were committed. */
  readonly count: number;
}

/** Of a row that is put here. */
const ROW = { protocol: PROTOCOL, windowMs: 330_000 };

/** The port of the members and the change log, in memory: one for all nodes of a test, with a clock that the test sets. */
export class MemoryMembership implements NodeRegistry {
  before: (step: MembershipStep, nodeId: string) => Promise<void> | void = () => undefined;
  /** After how many changes the log was asked for by each poll; null for all of it. */
  readonly asked: (number | null)[] = [];
  /** Changed by a fail-over. */
  server = 'first';
  /** How often the list was read by nodes that wait. */
  lists = 0;
  /** Logged changes of accounts and realms. */
  readonly scopes: ScopeChange[] = [];
  private readonly rows = new Map<string, NodeRow>();
  private readonly log: SessionChange[] = [];
  private purged = 0;

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
    const first = { ...ROW, caching: true, messaging: true, silenceMs, renewedAt: this.now(), poll: 1, polled: 0 };
    this.rows.set(row.id, { ...first, ...this.rows.get(row.id), ...row });
  }

  commit(sessionId: string, version: number, end?: ChangeEnd): void {
    this.log.push({ sessionId, version, ...(end && { end }) });
  }

  /** What the log still has. */
  get logged(): readonly string[] {
    return this.log.map(({ sessionId }) => sessionId);
  }

  async poll({ id, ...state }: NodeState, after: LogPosition | null): Promise<PollResult> {
    await this.before('write', id);
    const wasRegistered = (this.rows.get(id)?.poll ?? -1) >= state.polled;
    if (state.poll < (this.rows.get(id)?.poll ?? 0)) throw new Error('A later poll has written the row.');
    this.rows.set(id, { id, ...state, renewedAt: this.now() });
    await this.before('members', id);
    const members = this.read(id);
    const [databaseTime, measuredAt] = [this.now(), performance.now()];
    await this.before('changes', id);
    const count = after && (after as MemoryPosition).count;
    this.asked.push(count);
    const changes = this.log.slice(Math.max(0, (count ?? 0) - this.purged));
    const position: MemoryPosition = { server: this.server, count: this.purged + this.log.length };
    return {
      ...members,
      databaseTime,
      measuredAt,
      wasRegistered,
      changes,
      scopes: this.scopes,
      position,
      oldestWriteMs: null,
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

  async purge(seen: LogPosition): Promise<void> {
    const { count } = seen as MemoryPosition;
    this.log.splice(0, count - this.purged);
    this.purged = Math.max(this.purged, count);
  }

  private read(nodeId: string): NodeList {
    return { others: [...this.rows.values()].filter(({ id }) => id !== nodeId) };
  }
}
