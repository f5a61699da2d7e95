import type { Clock } from '../../ports/clock.js';
import type { Engine, LaneName, RunOptions } from '../engine/engine.js';
import { type Keyset, type Portion, inListOrder } from './keyset.js';
import { type Row, type Statement, raw, sql } from '../engine/sql.js';
import type { Tables } from '../schema/tables.js';

export interface RealmScope {
  readonly engine: Engine;
  readonly tables: Tables;
  readonly realm: string;
  readonly clock: Clock;
  /** Time limit of a statement, in milliseconds. */
  readonly budgetMs: number;
}

export abstract class RealmQueries {
  readonly realm: string;
  protected readonly tables: Tables;
  protected readonly clock: Clock;
  protected readonly engine: Engine;
  protected readonly options: RunOptions;

  constructor({ engine, tables, realm, clock, budgetMs }: RealmScope, lane: LaneName = 'work') {
    this.engine = engine;
    this.tables = tables;
    this.realm = realm;
    this.clock = clock;
    this.options = { lane, budgetMs };
  }

  protected async rows(statement: Statement, options = this.options): Promise<readonly Row[]> {
    return (await this.engine.read(statement, options)).rows;
  }

  /** @param select a SELECT that ends with its conditions @param group a GROUP BY */
  protected async portion(select: Statement, order: Keyset, portion: Portion, group?: Statement) {
    return inListOrder(await this.rows(this.cut(select, order, portion, group)), portion);
  }

  /** The SELECT of a portion; if that is read backwards, its rows come in reverse order. */
  protected cut(select: Statement, order: Keyset, portion: Portion, group = raw('')): Statement {
    return sql`${select}${this.engine.dialect.serial}${order.after(portion)}${group}${order.order(portion)}`;
  }
}
