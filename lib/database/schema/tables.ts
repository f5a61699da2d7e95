import type { DataSource } from 'typeorm';
import { tableOf } from '../engine/dialect.js';
import { SessionAccountEntity } from './entities/session-account.entity.js';
import { SessionChangeEntity } from './entities/session-change.entity.js';
import { SessionDataEntity } from './entities/session-data.entity.js';
import { SessionEventEntity } from './entities/session-event.entity.js';
import { NodeEntity } from './entities/node.entity.js';
import { SessionSightingEntity } from './entities/session-sighting.entity.js';
import { SessionStatisticEntity } from './entities/session-statistic.entity.js';
import { SessionEntity } from './entities/session.entity.js';
import type { Statement } from '../engine/sql.js';

/** All entities of the library, for the `entities` of an application that wants to query them itself. */
export const sessionEntities = [
  SessionEntity,
  SessionAccountEntity,
  SessionEventEntity,
  SessionChangeEntity,
  SessionDataEntity,
  NodeEntity,
  SessionSightingEntity,
  SessionStatisticEntity,
] as const;

/** The quoted names of the tables. */
export interface Tables {
  readonly session: Statement;
  readonly account: Statement;
  readonly event: Statement;
  readonly change: Statement;
  readonly data: Statement;
  readonly member: Statement;
  readonly sighting: Statement;
  readonly statistic: Statement;
}

export function tablesOf(dataSource: DataSource): Tables {
  return {
    session: tableOf(dataSource, SessionEntity),
    account: tableOf(dataSource, SessionAccountEntity),
    event: tableOf(dataSource, SessionEventEntity),
    change: tableOf(dataSource, SessionChangeEntity),
    data: tableOf(dataSource, SessionDataEntity),
    member: tableOf(dataSource, NodeEntity),
    sighting: tableOf(dataSource, SessionSightingEntity),
    statistic: tableOf(dataSource, SessionStatisticEntity),
  };
}
