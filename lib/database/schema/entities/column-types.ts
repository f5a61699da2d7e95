import type { ColumnOptions, EntityOptions, ValueTransformer } from 'typeorm';
import { escapeUserId, unescapeUserId } from '../../../model/user-key.js';

/** A table that the migrations make: `synchronize` of a DataSource with these entities leaves it alone. */
export const table = (name: string): EntityOptions => ({ name: `latchkey_${name}`, synchronize: false });

/** PostgreSQL and MySQL hand bigint out as text; every number here is far below 2^53. */
const asNumber: ValueTransformer = {
  to: (value: number | null) => value,
  from: (value: string | number | null) => (value === null ? null : Number(value)),
};

const asFlag: ValueTransformer = { to: Number, from: Boolean };

const asJson: ValueTransformer = {
  to: (value: unknown) => (value === null ? null : JSON.stringify(value)),
  from: (value: string | null) => (value === null ? null : (JSON.parse(value) as unknown)),
};

const asUserId: ValueTransformer = {
  to: (value: string | null) => (value === null ? null : escapeUserId(value)),
  from: (value: string | null) => (value === null ? null : unescapeUserId(value)),
};

type Options = ColumnOptions & { readonly nullable?: false };

/** A whole number; times are milliseconds since the epoch. */
export const number = (name: string): Options => ({ name, type: 'bigint', transformer: asNumber });

export const flag = (name: string): Options => ({ name, type: 'smallint', transformer: asFlag });

export const text = (name: string, length: number): Options => ({ name, type: 'varchar', length });

export const json = (name: string): Options => ({ name, type: 'text', transformer: asJson });

export const userId = (): Options => ({ name: 'user_id', type: 'text', transformer: asUserId });

/** The same column, which may also be empty. */
export const nullable = (options: ColumnOptions): ColumnOptions => ({ ...options, nullable: true });
