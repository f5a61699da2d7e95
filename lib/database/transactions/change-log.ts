import type { Dialect } from '../engine/dialect.js';
import { type Effect, type Statement, effect, raw, sql } from '../engine/sql.js';
import type { Tables } from '../schema/tables.js';

/**
 * Logs the last versions of changed sessions at the end of the transaction; to be called once for each session.
 * @param at by the clock of the database
 */
export function logChanges(tables: Tables, dialect: Dialect, ids: readonly string[], at: number): Effect {
  const from = sql`${tables.session} WHERE id ${dialect.isOneOf(ids)}`;
  return effect(logChangesOf(tables, dialect, from, at), { isLast: true });
}

/** @param from rows of sessions: what stands after FROM */
export function logChangesOf(tables: Tables, dialect: Dialect, from: Statement, at: number): Statement {
  return sql`INSERT INTO ${tables.change} (session_id, version, realm, at)
    SELECT id, version, realm, ${dialect.changeTime(at)} FROM ${from}`;
}

/** Counting goes on here after a number that cannot have been counted: above any that has been, and so above those of all copies. */
const NO_COUNT_FROM = 1e12;

/** The number after that of a column, which counts from 0 or 1. */
export function nextOf(column: 'version' | 'epoch'): Statement {
  return raw(`CASE WHEN ${column} BETWEEN 0 AND ${2 * NO_COUNT_FROM} THEN ${column} + 1 ELSE ${NO_COUNT_FROM} END`);
}

/** `nextOf` for a row. */
export function nextVersion(version: number): number {
  return version >= 0 && version <= NO_COUNT_FROM * 2 ? version + 1 : NO_COUNT_FROM;
}
