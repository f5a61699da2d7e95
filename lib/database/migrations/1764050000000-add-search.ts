import { type MigrationInterface, type QueryRunner, TableColumn, TableIndex } from 'typeorm';
import { tablePath } from './table-path.js';
import { createIndices, dropIndices, text } from './table-steps.js';

const COLUMNS = (
  [
    ['user_name', 128],
    ['login_method', 32],
    ['user_search', 128],
    ['name_search', 128],
    ['device_search', 128],
    ['ip_key', 32],
    ['last_ip_key', 32],
  ] as const
).map(([name, length]) => new TableColumn({ ...text(name, length), isNullable: true }));

const LIVE_INDICES = [
  ['find_user', 'user_search', 'user_key'],
  ['find_name', 'name_search'],
  ['find_device', 'device_search'],
  ['find_ip', 'ip_key'],
  ['find_last_ip', 'last_ip_key'],
  ['find_type', 'device_type'],
  ['find_method', 'login_method'],
].map(
  ([name, ...columns]) =>
    new TableIndex({
      name: `idx_user_session_${name}`,
      columnNames: ['realm', 'status', ...columns, 'id'],
      where: "status = 'live'",
    }),
);

const INDICES = [
  ...LIVE_INDICES,
  new TableIndex({
    name: 'idx_user_session_by_reason',
    columnNames: ['realm', 'end_reason', 'ended_at', 'id'],
  }),
];

/**
 * What operators search by, and indexes for it. The sessions that are live get their keys from the sweep (search-key-filler.ts),
 * since nodes of an earlier version may still be adding some without. What is there already is left alone, as by the migrations before. */
export class AddSearch1764050000000 implements MigrationInterface {
  name = 'AddSearch1764050000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    const session = tablePath(queryRunner, 'user_session');
    const table = await queryRunner.getTable(session);
    const missing = COLUMNS.filter(({ name }) => !table?.findColumnByName(name));
    // At once, since SQLite has the whole table made anew each time.
    if (missing.length > 0)
      await queryRunner.addColumns(
        session,
        missing.map((column) => column.clone()),
      );
    await createIndices(queryRunner, 'user_session', INDICES);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    const session = tablePath(queryRunner, 'user_session');
    await dropIndices(queryRunner, 'user_session', INDICES);
    for (const column of COLUMNS) await queryRunner.dropColumn(session, column.name);
  }
}
