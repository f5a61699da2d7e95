import type { MigrationInterface, QueryRunner, TableColumnOptions } from 'typeorm';
import { type TableShape, createTables, dropTables, number, primary, text } from './table-steps.js';

const long = (name: string): TableColumnOptions => ({ name, type: 'text' });
const nullable = (column: TableColumnOptions): TableColumnOptions => ({ ...column, isNullable: true });

const TABLES: readonly TableShape[] = [
  {
    name: 'user_session',
    columns: [
      primary(text('id', 32)),
      text('realm', 64),
      long('user_id'),
      text('user_key', 64),
      nullable(text('slot', 64)),
      nullable(text('device_type', 32)),
      nullable(text('device_id', 128)),
      nullable(text('device_name', 128)),
      nullable(text('ip', 45)),
      nullable(text('user_agent', 512)),
      long('claims'),
      number('created_at'),
      number('authenticated_at'),
      nullable(number('reauthenticated_at')),
      nullable(text('impersonator', 255)),
      number('expires_at'),
      number('usable_until'),
      text('status', 8),
      nullable(text('end_reason', 32)),
      nullable(number('ended_at')),
      nullable(text('ended_by', 255)),
      nullable(text('replaced_by', 32)),
      number('version'),
      text('nonce', 32),
      number('generation'),
      text('key_id', 16),
      nullable(text('signing_key_id', 64)),
      number('issued_at'),
      text('access_hash', 64),
      number('access_expires_at'),
      nullable(text('refresh_hash', 64)),
      nullable(number('refresh_expires_at')),
      nullable(long('superseded')),
      nullable(text('renewed_from', 45)),
      nullable(long('bans')),
      number('last_seen_at'),
      nullable(number('presented_at')),
      nullable(text('last_ip', 45)),
    ],
    indices: [
      { name: 'idx_user_session_slot', columnNames: ['user_key', 'slot'], isUnique: true },
      { name: 'idx_user_session_account', columnNames: ['user_key', 'status', 'created_at'] },
      { name: 'idx_user_session_overdue', columnNames: ['realm', 'status', 'usable_until'] },
      { name: 'idx_user_session_by_use', columnNames: ['realm', 'status', 'last_seen_at', 'id'] },
      { name: 'idx_user_session_by_login', columnNames: ['realm', 'status', 'created_at', 'id'] },
    ],
  },
  {
    name: 'user_session_account',
    columns: [
      primary(text('user_key', 64)),
      text('realm', 64),
      long('user_id'),
      number('epoch'),
      number('not_before'),
      nullable(long('bans')),
      number('created_at'),
    ],
    indices: [],
  },
  {
    name: 'user_session_event',
    columns: [
      primary(text('id', 32)),
      text('realm', 64),
      number('at'),
      text('type', 32),
      nullable(text('user_key', 64)),
      nullable(long('user_id')),
      nullable(text('session_id', 32)),
      nullable(text('reason', 32)),
      text('actor', 255),
      nullable(text('ip', 45)),
      nullable(text('device_type', 32)),
      nullable(text('device_name', 128)),
      nullable(number('ended')),
      nullable(long('detail')),
    ],
    indices: [
      { name: 'idx_user_session_event_realm', columnNames: ['realm', 'id'] },
      { name: 'idx_user_session_event_account', columnNames: ['user_key', 'id'] },
      { name: 'idx_user_session_event_session', columnNames: ['session_id', 'id'] },
      { name: 'idx_user_session_event_ip', columnNames: ['ip', 'id'] },
    ],
  },
  {
    name: 'user_session_change',
    columns: [primary(text('session_id', 32)), primary(number('version')), text('realm', 64), number('at')],
    indices: [{ name: 'idx_user_session_change_at', columnNames: ['realm', 'at'] }],
  },
  {
    name: 'user_session_data',
    columns: [
      primary(text('owner', 66)),
      primary(text('name_hash', 64)),
      text('name', 128),
      long('value'),
      number('updated_at'),
    ],
    indices: [],
  },
  {
    name: 'user_session_member',
    columns: [
      primary(text('id', 32)),
      text('realm', 64),
      nullable(text('process', 128)),
      number('caching'),
      number('renewed_at'),
    ],
    indices: [],
  },
];

/**
 * The tables of the library. Tables that are there already are left alone, so that it does no harm when both the
 * application's DataSource and the library run it.
 */
export class CreateUserSession1763769600000 implements MigrationInterface {
  name = 'CreateUserSession1763769600000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await createTables(queryRunner, TABLES);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await dropTables(queryRunner, TABLES);
  }
}
