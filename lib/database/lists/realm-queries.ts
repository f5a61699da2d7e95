import type { Clock } from '../../ports/clock.js';
import type { Engine, RunOptions } from '../engine/engine.js';
import { type Keyset, type Portion, inListOrder } from './keyset.js';
import { type Row, type Statement, raw, sql } from '../engine/sql.js';
import type { Tables } from '../schema/tables.js';

/** What queries are made with. */
export interface RealmScope {
  readonly engine: Engine;
  readonly tables: Tables;
  readonly realm: string;
  readonly clock: Clock;
  /** Longest time that a statement may take, in milliseconds. */
  readonly budgetMs: number;
}

/** Reads of one realm, for operators. */
export abstract class RealmQueries {
  readonly realm: string;
  protected readonly tables: Tables;
  protected readonly clock: Clock;
  protected readonly engine: Engine;
  private readonly options: RunOptions;

  constructor({ engine, tables, realm, clock, budgetMs }: RealmScope) {
    this.engine = engine;
    this.tables = tables;
    this.realm = realm;
    this.clock = clock;
    this.options = { lane: 'work', budgetMs };
  }

  protected async rows(statement: Statement): Promise<readonly Row[]> {
    return (await this.engine.read(statement, this.options)).rows;
  }

  /**
   * A portion of a list, in the order of the list.
   * @param select a SELECT that ends with its conditions
   * @param group a GROUP BY
   */
  protected async portion(
    select: Statement,
    order: Keyset,
    portion: Portion,
    group?: Statement,
  ): Promise<readonly Row[]> {
    return inListOrder(await this.rows(this.cut(select, order, portion, group)), portion);
  }

  /** The SELECT of a portion, of whose rows those of a portion that is read backwards come in the reverse order. */
  protected cut(select: Statement, order: Keyset, portion: Portion, group = raw('')): Statement {
    return sql`${select}${this.engine.dialect.serial}${order.after(portion)}${group}${order.order(portion)}`;
  }
}
