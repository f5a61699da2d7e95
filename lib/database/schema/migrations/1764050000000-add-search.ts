import { type MigrationInterface, type QueryRunner, TableColumn, TableIndex } from 'typeorm';
import { tablePath } from './table-path.js';
import { createIndices, dropIndices, isMysql, text } from './table-steps.js';

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

const SEARCHED = [
  ['find_user', 'user_search', 'user_key'],
  ['find_name', 'name_search'],
  ['find_device', 'device_search'],
  ['find_ip', 'ip_key'],
  ['find_last_ip', 'last_ip_key'],
  ['find_type', 'device_type'],
  ['find_method', 'login_method'],
];

/**
 * Of live sessions only, where the engine has such indexes. The column must not be in those: PostgreSQL leaves out a condition
 * that is the index's own, and then reads the index from end to end for want of the column before the one that is searched.
 */
function indicesOf(queryRunner: QueryRunner): TableIndex[] {
  const [state, part] = isMysql(queryRunner) ? [['status'], {}] : [[], { where: "status = 'live'" }];
  return [
    ...SEARCHED.map(
      ([name, ...columns]) =>
        new TableIndex({
          name: `idx_user_session_${name}`,
          columnNames: ['realm', ...state, ...columns, 'id'],
          ...part,
        }),
    ),
    new TableIndex({
      name: 'idx_user_session_by_reason',
      columnNames: ['realm', 'end_reason', 'ended_at', 'id'],
    }),
  ];
}

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
    await createIndices(queryRunner, 'user_session', indicesOf(queryRunner));
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    const session = tablePath(queryRunner, 'user_session');
    await dropIndices(queryRunner, 'user_session', indicesOf(queryRunner));
    for (const column of COLUMNS) await queryRunner.dropColumn(session, column.name);
  }
}
