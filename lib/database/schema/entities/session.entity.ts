import { Column, type ColumnOptions, Entity, PrimaryColumn } from 'typeorm';
import { END_FIELDS, type Field, type Fields, PAIR_FIELDS, SESSION_FIELDS } from '../../../model/session-fields.js';
import type { SessionEnd, SessionRecord } from '../../../model/session.js';
import type { TokenPair } from '../../../model/token-pair.js';
import { columnOf } from '../table-names.js';
import { flag, json, nullable, number, table, text, userId } from './column-types.js';

type Nullable<T> = { readonly [K in keyof T]: T[K] | null };

/** Columns that only the row has. */
interface RowFields {
  readonly status: 'live' | 'ended';
  /** Place under the device policy; null once ended. */
  readonly slot: string | null;
  /** Beginning of the user id as operators search for it; this and the next ones as search-keys.ts makes them. */
  readonly userSearch: string;
  readonly nameSearch: string | null;
  readonly deviceSearch: string | null;
  /** The address of the login, and that of the last use, as a number of 128 bits: 32 hex digits. */
  readonly ipKey: string | null;
  readonly lastIpKey: string | null;
  /** When a token of it was last presented, whether or not that was a use; null for never. */
  readonly presentedAt: number | null;
}

const ROW_FIELDS = {
  status: { kind: 'text', length: 8 },
  slot: { kind: 'text', length: 64, nullable: true },
  userSearch: { kind: 'text', length: 128 },
  nameSearch: { kind: 'text', length: 128, nullable: true },
  deviceSearch: { kind: 'text', length: 128, nullable: true },
  ipKey: { kind: 'text', length: 32, nullable: true },
  lastIpKey: { kind: 'text', length: 32, nullable: true },
  presentedAt: { kind: 'number', nullable: true },
} as const satisfies Record<keyof RowFields, Field>;

/** How it ended; null while it lives. */
interface EndColumns {
  readonly endReason: SessionEnd['reason'] | null;
  readonly endedAt: number | null;
  readonly endedBy: string | null;
  readonly replacedBy: string | null;
}

type Stored = Omit<SessionRecord, 'current' | 'end' | 'superseded' | 'bans'> &
  Nullable<Pick<SessionRecord, 'superseded' | 'bans'>> &
  TokenPair &
  EndColumns &
  RowFields;

const Stored = class {} as new () => Stored;

/**
 * One login on one device, live or ended. Read it as you like; write it through TokenService only, or nodes will not
 * hear of the change. No column holds a credential: tokens are stored as SHA-256.
 */
@Entity(table('session'))
export class LatchkeySession extends Stored {}

const OPTIONS: Readonly<Record<Field['kind'], (name: string, length: number) => ColumnOptions>> = {
  text,
  userId,
  number,
  flag,
  endReason: text,
  claims: json,
  bans: (name) => nullable(json(name)),
  pairs: (name) => nullable(json(name)),
};

function addColumns(fields: Fields, toOptions = (options: ColumnOptions) => options): void {
  for (const [name, field] of Object.entries(fields)) {
    const column = columnOf(name, field);
    const options = toOptions(OPTIONS[field.kind](column, field.length!));
    const property = column.replace(/_(.)/g, (_all, letter: string) => letter.toUpperCase());
    const decorator =
      name === 'id'
        ? PrimaryColumn({ ...options, nullable: false })
        : Column(field.nullable ? nullable(options) : options);
    decorator(LatchkeySession.prototype, property);
  }
}

addColumns(SESSION_FIELDS);
addColumns(PAIR_FIELDS);
addColumns(END_FIELDS, nullable);
addColumns(ROW_FIELDS);
