import { Column, type ColumnOptions, Entity, type EntityOptions, PrimaryColumn, type ValueTransformer } from 'typeorm';
import type { Ban } from '../../model/ban.js';
import type { SessionEventType } from '../../model/session-event.js';
import { END_FIELDS, type Field, type Fields, PAIR_FIELDS, SESSION_FIELDS } from '../../model/session-fields.js';
import type { EndReason, SessionEnd, SessionRecord } from '../../model/session.js';
import type { TokenPair } from '../../model/token-pair.js';
import { escapeUserId, unescapeUserId } from '../../model/user-key.js';
import type { StatisticKind } from '../../ports/journal-repository.js';
import { columnOf } from './table-names.js';

/** A table that the migrations make: `synchronize` of a DataSource with these entities leaves it alone. */
export const table = (name: string): EntityOptions => ({ name: `latchkey_${name}`, synchronize: false });

/** A transformer of values that are not null. */
const conversion = <T, S>(to: (value: T) => S, from: (stored: S) => T): ValueTransformer => ({
  to: (value: T | null) => (value === null ? null : to(value)),
  from: (stored: S | null) => (stored === null ? null : from(stored)),
});

// PostgreSQL and MySQL hand bigint out as text; every number here is far below 2^53.
const asNumber = conversion((value: number): string | number => value, Number);
const asFlag: ValueTransformer = { to: Number, from: Boolean };
const asWords = conversion(
  (value: readonly string[]) => value.join(' '),
  (stored: string) => stored.split(' '),
);
const asJson = conversion(JSON.stringify, JSON.parse);
const asUserId = conversion(escapeUserId, unescapeUserId);

type Options = ColumnOptions & { readonly nullable?: false };

/** A whole number; times are milliseconds since the epoch. */
export const number = (name: string): Options => ({ name, type: 'bigint', transformer: asNumber });
const flag = (name: string): Options => ({ name, type: 'smallint', transformer: asFlag });
export const text = (name: string, length: number): Options => ({ name, type: 'varchar', length });
const json = (name: string): Options => ({ name, type: 'text', transformer: asJson });
export const userId = (): Options => ({ name: 'user_id', type: 'text', transformer: asUserId });

export const nullable = (options: ColumnOptions): ColumnOptions => ({ ...options, nullable: true });

type Nullable<T> = { readonly [K in keyof T]: T[K] | null };

interface RowFields {
  readonly status: 'live' | 'ended';
  /** Place under the device policy; null once ended. */
  readonly slot: string | null;
  /** Beginning of the user id as operators search for it; see searchKey. */
  readonly userSearch: string;
  readonly nameSearch: string | null;
  readonly deviceSearch: string | null;
  /** The address of the login, and that of the last use, as a number of 128 bits: 32 hex digits. */
  readonly ipKey: string | null;
  readonly lastIpKey: string | null;
  /** When a token of it was last presented, whether or not that was a use; null for never. */
  readonly presentedAt: number | null;
  /** Time from which it is idle by the timeout of its login; null without one. */
  readonly idleUntil: number | null;
}

const ROW_FIELDS = {
  status: { kind: 'text', length: 8 },
  slot: { kind: 'text', length: 64, nullable: true },
  userSearch: { kind: 'text', length: 128 },
  nameSearch: { kind: 'text', length: 128, nullable: true },
  deviceSearch: { kind: 'text', length: 128, nullable: true },
  ipKey: { kind: 'text', length: 32, nullable: true },
  lastIpKey: { kind: 'text', length: 32, nullable: true },
  presentedAt: { kind: 'time', nullable: true },
  idleUntil: { kind: 'time', nullable: true },
} as const satisfies Record<keyof RowFields, Field>;

type Stored = Omit<SessionRecord, 'current' | 'end' | 'amr' | 'superseded' | 'bans' | 'accountVersion'> &
  Nullable<Pick<SessionRecord, 'amr' | 'superseded'>> &
  TokenPair &
  Nullable<{ endReason: SessionEnd['reason']; endedAt: number; endedBy: string; replacedBy: string }> &
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
  words: (name, length) => nullable({ ...text(name, length), transformer: asWords }),
  hash: text,
  userId,
  number,
  time: number,
  flag,
  endReason: text,
  claims: json,
  bans: (name) => nullable(json(name)),
  pairs: (name) => nullable(json(name)),
};

function addColumns(fields: Fields, toOptions = (options: ColumnOptions) => options): void {
  for (const [name, field] of Object.entries(fields)) {
    const column = columnOf(name, field);
    if (field.ofAccount) continue;
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

/** One user of one realm who has logged in at least once. Its row is the lock that logins of the user take. */
@Entity(table('account'))
export class LatchkeyAccount {
  /** SHA-256 over realm and user id, 64 hex digits. */
  @PrimaryColumn(text('user_key', 64)) userKey!: string;
  @Column(text('realm', 64)) realm!: string;
  @Column(userId()) userId!: string;
  /** Grows with every change of credentials and every kick-all; a ticket of beginLogin names it. */
  @Column(number('epoch')) epoch!: number;
  /** Proofs of identity from before this time count no more; 0 for never changed. */
  @Column(number('not_before')) notBefore!: number;
  /** One for each service at most, and one from everything. */
  @Column(nullable(json('bans'))) bans!: readonly Ban[] | null;
  /** Grows with every mass end and every change of bans. */
  @Column(number('version')) version!: number;
  /** The version of the last mass end, 0 for none: sessions that are opened now carry it. */
  @Column(number('end_epoch')) endEpoch!: number;
  /** Counts logins: each makes tickets of logins void that were refused at a limit before. */
  @Column(number('logins')) logins!: number;
  @Column(number('created_at')) createdAt!: number;
}

/** One value of a session's or an account's data; one row a name, so that writers of different names never meet. */
@Entity(table('data'))
export class LatchkeyData {
  /** `s:` and the id of a session, or `a:` and the key of an account. */
  @PrimaryColumn(text('owner', 66)) owner!: string;
  /** SHA-256 of the name, 64 hex digits: databases disagree on which texts are equal. */
  @PrimaryColumn(text('name_hash', 64)) nameHash!: string;
  @Column(text('name', 128)) name!: string;
  @Column(json('value')) value!: unknown;
  @Column(number('updated_at')) updatedAt!: number;
}

/**
 * The change log: one row for every change of a verdict, written in the transaction of the change. Nodes poll it. On
 * PostgreSQL it has a further column, `xid`: the transaction that wrote the row.
 */
@Entity(table('change'))
export class LatchkeyChange {
  @PrimaryColumn(text('kind', 8)) kind!: 'session' | 'account' | 'realm';
  /** Id of the session, key of the account, or name of the realm. */
  @PrimaryColumn(text('id', 66)) id!: string;
  @PrimaryColumn(number('version')) version!: number;
  @Column(text('realm', 64)) realm!: string;
  @Column(nullable(text('user_key', 64))) userKey!: string | null;
  /** Null if the change was no end. */
  @Column(nullable(text('reason', 32))) reason!: EndReason | null;
  /** Ended it: a user id, an operator, 'system'. Null if the change was no end. */
  @Column(nullable(text('actor', 255))) actor!: string | null;
  @Column(number('at')) at!: number;
}

/** One running node. It renews its row with every poll; the others remove one that stands still for too long. */
@Entity(table('node'))
export class LatchkeyNode {
  /** 32 random hex digits, new for every start. */
  @PrimaryColumn(text('id', 32)) id!: string;
  @Column(text('realm', 64)) realm!: string;
  /** See processIdentity. */
  @Column(nullable(text('process', 128))) process!: string | null;
  /** Version of the rules between nodes. */
  @Column(number('protocol')) protocol!: number;
  /** 1 while the node may answer from a cache. */
  @Column(number('caching')) caching!: number;
  /** 1 if messages of other nodes can reach the node at all. */
  @Column(number('messaging')) messaging!: number;
  /** Milliseconds for which the node may answer from a cache after its last poll. */
  @Column(number('silence_ms')) silenceMs!: number;
  /** Milliseconds for which the node needs a change to stay in the log. */
  @Column(number('window_ms')) windowMs!: number;
  /** By the clock of the database; for people. */
  @Column(number('renewed_at')) renewedAt!: number;
  /** Number of the poll that wrote the row, one more each time. */
  @Column(number('poll')) poll!: number;
  /** Number of the last poll that the node has completed: it knows of every change from before that began. */
  @Column(number('polled')) polled!: number;
}

/** The audit trail; rows are added and never changed. */
@Entity(table('event'))
export class LatchkeyEvent {
  /** 32 hex digits that sort by time: 12 of the milliseconds since the epoch, 4 of a counter, 16 random. */
  @PrimaryColumn(text('id', 32)) id!: string;
  @Column(text('realm', 64)) realm!: string;
  @Column(number('at')) at!: number;
  @Column(text('type', 32)) type!: SessionEventType;
  @Column(nullable(text('user_key', 64))) userKey!: string | null;
  @Column(nullable(userId())) userId!: string | null;
  @Column(nullable(text('session_id', 32))) sessionId!: string | null;
  @Column(nullable(text('reason', 32))) reason!: EndReason | null;
  /** Who did it: a user id, an operator, 'system'. */
  @Column(text('actor', 255)) actor!: string;
  @Column(nullable(text('ip', 45))) ip!: string | null;
  @Column(nullable(text('device_type', 32))) deviceType!: string | null;
  @Column(nullable(text('device_name', 128))) deviceName!: string | null;
  /** How many sessions the step ended, where that is its result. */
  @Column(nullable(number('ended'))) ended!: number | null;
  /** Further facts, as JSON; its fields depend on the type. */
  @Column(nullable(json('detail'))) detail!: Readonly<Record<string, unknown>> | null;
}

/** A session that was used from an address; see docs/operators.md for how exact the times are. */
@Entity(table('sighting'))
export class LatchkeySighting {
  @PrimaryColumn(text('session_id', 32)) sessionId!: string;
  /** The address as IPv6, 32 hex digits: a network is a range of them. */
  @PrimaryColumn(text('ip_key', 32)) ipKey!: string;
  @Column(text('ip', 45)) ip!: string;
  @Column(text('realm', 64)) realm!: string;
  /** The same value as in the row of the session. */
  @Column(text('user_key', 64)) userKey!: string;
  @Column(number('first_at')) firstAt!: number;
  @Column(number('last_at')) lastAt!: number;
}

/** A count of one hour, of all nodes together. */
@Entity(table('statistic'))
export class LatchkeyStatistic {
  @PrimaryColumn(text('realm', 64)) realm!: string;
  /** Beginning of the hour (UTC), in milliseconds since the epoch. */
  @PrimaryColumn(number('hour')) hour!: number;
  @PrimaryColumn(text('kind', 16)) kind!: StatisticKind;
  /** Type of device, or reason; empty for none. */
  @PrimaryColumn(text('name', 32)) name!: string;
  @Column(number('amount')) amount!: number;
}
