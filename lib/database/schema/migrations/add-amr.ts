import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dataSourceOf, quotedTable, tablePath } from '../table-names.js';

/** When it was written, which is the order that migrations run in. */
const TIME = 1_796_140_000_000;

/** Methods of a session's last authentication. Leaves alone a column that is there already. */
export class AddAmr implements MigrationInterface {
  readonly name = `LatchkeyAddAmr${TIME}`;

  async up(runner: QueryRunner): Promise<void> {
    const source = dataSourceOf(runner);
    if (await runner.hasColumn(tablePath(source, 'session'), 'amr')) return;
    await runner.query(`ALTER TABLE ${quotedTable(source, 'session')} ADD COLUMN amr varchar(263)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE ${quotedTable(dataSourceOf(runner), 'session')} DROP COLUMN amr`);
  }
}
