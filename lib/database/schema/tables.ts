import type { DataSource } from 'typeorm';
import { type Statement, raw } from '../engine/sql.js';
import {
  LatchkeyAccount,
  LatchkeyChange,
  LatchkeyData,
  LatchkeyEvent,
  LatchkeyNode,
  LatchkeySession,
  LatchkeySighting,
  LatchkeyStatistic,
} from './entities.js';
import { LatchkeyMassEnd, LatchkeyRealm } from './mass-end-entities.js';
import { quotedTable } from './table-names.js';

/** All entities of the library, for the `entities` of an application that wants to query them itself. */
export const sessionEntities = [
  LatchkeySession,
  LatchkeyAccount,
  LatchkeyRealm,
  LatchkeyMassEnd,
  LatchkeyEvent,
  LatchkeyChange,
  LatchkeyData,
  LatchkeyNode,
  LatchkeySighting,
  LatchkeyStatistic,
] as const;

const NAMES = {
  session: 'session',
  account: 'account',
  realm: 'realm',
  massEnd: 'mass_end',
  event: 'event',
  change: 'change',
  data: 'data',
  node: 'node',
  sighting: 'sighting',
  statistic: 'statistic',
} as const;

export type Tables = Readonly<Record<keyof typeof NAMES, Statement>>;

export function tablesOf(dataSource: DataSource): Tables {
  const tables = Object.entries(NAMES).map(([name, table]) => [name, raw(quotedTable(dataSource, table))]);
  return Object.fromEntries(tables) as Tables;
}
