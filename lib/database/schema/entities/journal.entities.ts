import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { EndReason } from '../../../model/session.js';
import type { SessionEventType } from '../../../model/session-event.js';
import type { StatisticKind } from '../../../ports/journal-repository.js';
import { json, nullable, number, table, text, userId } from './column-types.js';

/** The audit trail; rows are added and never changed. */
@Entity(table('event'))
export class LatchkeyEvent {
  /** 32 hex digits that sort by time: 12 of the milliseconds since the epoch, 4 of a counter, 16 random. */
  @PrimaryColumn(text('id', 32))
  id!: string;

  @Column(text('realm', 64))
  realm!: string;

  @Column(number('at'))
  at!: number;

  @Column(text('type', 32))
  type!: SessionEventType;

  @Column(nullable(text('user_key', 64)))
  userKey!: string | null;

  @Column(nullable(userId()))
  userId!: string | null;

  @Column(nullable(text('session_id', 32)))
  sessionId!: string | null;

  @Column(nullable(text('reason', 32)))
  reason!: EndReason | null;

  /** Who did it: a user id, an operator, 'system'. */
  @Column(text('actor', 255))
  actor!: string;

  @Column(nullable(text('ip', 45)))
  ip!: string | null;

  @Column(nullable(text('device_type', 32)))
  deviceType!: string | null;

  @Column(nullable(text('device_name', 128)))
  deviceName!: string | null;

  /** How many sessions the step ended, where that is its result. */
  @Column(nullable(number('ended')))
  ended!: number | null;

  /** Further facts, as JSON; its fields depend on the type. */
  @Column(nullable(json('detail')))
  detail!: Readonly<Record<string, unknown>> | null;
}

/** A session that was used from an address; see docs/operators.md for how exact the times are. */
@Entity(table('sighting'))
export class LatchkeySighting {
  @PrimaryColumn(text('session_id', 32))
  sessionId!: string;

  /** The address as IPv6, 32 hex digits: a network is a range of them. */
  @PrimaryColumn(text('ip_key', 32))
  ipKey!: string;

  @Column(text('ip', 45))
  ip!: string;

  @Column(text('realm', 64))
  realm!: string;

  /** The same value as in the row of the session. */
  @Column(text('user_key', 64))
  userKey!: string;

  @Column(number('first_at'))
  firstAt!: number;

  @Column(number('last_at'))
  lastAt!: number;
}

/** A count of one hour, of all nodes together. */
@Entity(table('statistic'))
export class LatchkeyStatistic {
  @PrimaryColumn(text('realm', 64))
  realm!: string;

  /** Beginning of the hour (UTC), in milliseconds since the epoch. */
  @PrimaryColumn(number('hour'))
  hour!: number;

  @PrimaryColumn(text('kind', 16))
  kind!: StatisticKind;

  /** Type of device, or reason; empty for none. */
  @PrimaryColumn(text('name', 32))
  name!: string;

  @Column(number('amount'))
  amount!: number;
}
