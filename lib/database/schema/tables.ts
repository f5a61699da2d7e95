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
import { quotedTable } from './table-names.js';

/** All entities of the library, for the `entities` of an application that wants to query them itself. */
export const sessionEntities = [
  LatchkeySession,
  LatchkeyAccount,
  LatchkeyEvent,
  LatchkeyChange,
  LatchkeyData,
  LatchkeyNode,
  LatchkeySighting,
  LatchkeyStatistic,
] as const;

const NAMES = ['session', 'account', 'event', 'change', 'data', 'node', 'sighting', 'statistic'] as const;

export type Tables = Readonly<Record<(typeof NAMES)[number], Statement>>;

export function tablesOf(dataSource: DataSource): Tables {
  const tables = NAMES.map((name) => [name, raw(quotedTable(dataSource, name))]);
  return Object.fromEntries(tables) as Tables;
}
