import type { Clock } from '../../ports/clock.js';
import type { SessionEventType } from '../../model/session-event.js';
import { actorText } from '../../model/user-key.js';
import type { Engine, RunOptions } from '../engine/engine.js';
import { insertEvents } from './ending-script.js';
import type { Tables } from '../schema/tables.js';

/** Something that an operator does to no single session or account. */
export interface OperatorAct {
  readonly type: SessionEventType;
  readonly by: string;
  readonly ended?: number | null;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Writes acts of operators into the audit trail, where no other step does it. */
export class OperatorAudit {
  private readonly options: RunOptions;

  constructor(
    private readonly engine: Engine,
    private readonly tables: Tables,
    private readonly realm: string,
    private readonly clock: Clock,
    budgetMs: number,
  ) {
    this.options = { lane: 'work', budgetMs };
  }

  /** @throws SessionError SESSION_STORE_UNAVAILABLE */
  async record({ type, by, ended = null, detail }: OperatorAct): Promise<void> {
    const nobody = { realm: this.realm, userKey: null, userId: null, sessionId: null };
    const event = { type, at: this.clock.now(), actor: actorText(by), ...nobody, ended, detail };
    await this.engine.write(insertEvents(this.tables, [event]), this.options);
  }
}
