import { type MigrationInterface, type QueryRunner, TableIndex } from 'typeorm';
import { createIndices, createTables, dropIndices, dropTables, number, primary, text } from './table-steps.js';

const TABLES = [
  {
    name: 'user_session_sighting',
    columns: [
      primary(text('session_id', 32)),
      primary(text('ip_key', 32)),
      text('ip', 45),
      text('realm', 64),
      text('user_key', 64),
      number('first_at'),
      number('last_at'),
    ],
    indices: [
      { name: 'idx_user_session_sighting_ip', columnNames: ['realm', 'ip_key', 'last_at'] },
      { name: 'idx_user_session_sighting_last', columnNames: ['realm', 'last_at'] },
      { name: 'idx_user_session_sighting_user', columnNames: ['user_key', 'last_at'] },
    ],
  },
  {
    name: 'user_session_statistic',
    columns: [
      primary(text('realm', 64)),
      primary(number('hour')),
      primary(text('kind', 16)),
      primary(text('name', 32)),
      number('amount'),
    ],
    indices: [],
  },
];

const PAST = [new TableIndex({ name: 'idx_user_session_past', columnNames: ['realm', 'ended_at', 'id'] })];
const EVENTS = [new TableIndex({ name: 'idx_user_session_event_type', columnNames: ['realm', 'type', 'id'] })];

/**
 * Tables of what operators read later, and indexes by which failed logins are counted and old records are found. What is there
 * already is left alone, as by the migrations before.
 */
export class AddSightingsAndStatistics1764100000000 implements MigrationInterface {
  name = 'AddSightingsAndStatistics1764100000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await createTables(queryRunner, TABLES);
    await createIndices(queryRunner, 'user_session', PAST);
    await createIndices(queryRunner, 'user_session_event', EVENTS);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await dropIndices(queryRunner, 'user_session', PAST);
    await dropIndices(queryRunner, 'user_session_event', EVENTS);
    await dropTables(queryRunner, TABLES);
  }
}
