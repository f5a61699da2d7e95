import { type MigrationInterface, type QueryRunner, TableColumn, TableIndex } from 'typeorm';
import { tablePath } from './table-path.js';
import { createIndices, dropIndices } from './table-steps.js';

/** Null in the row of a node of an earlier version. */
const COLUMNS = ['messaging', 'poll', 'polled', 'silence_ms'].map(
  (name) => new TableColumn({ name, type: 'bigint', isNullable: true }),
);
const INDICES = [new TableIndex({ name: 'idx_user_session_ended', columnNames: ['user_key', 'ended_at'] })];

/**
 * What nodes tell each other by their rows once they can also send messages, and an index by which a login finds out whether
 * a session of its account ended a moment ago. What is there already is left alone, as by the migration before.
 */
export class AddMemberMessages1764000000000 implements MigrationInterface {
  name = 'AddMemberMessages1764000000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    const member = tablePath(queryRunner, 'user_session_member');
    for (const column of COLUMNS) {
      if (!(await queryRunner.hasColumn(member, column.name))) await queryRunner.addColumn(member, column.clone());
    }
    await createIndices(queryRunner, 'user_session', INDICES);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await dropIndices(queryRunner, 'user_session', INDICES);
    const member = tablePath(queryRunner, 'user_session_member');
    for (const column of COLUMNS) await queryRunner.dropColumn(member, column.name);
  }
}
