import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import type { EndReason } from '../../../model/session.js';
import type { SessionEventType } from '../../../model/session-event.js';
import { json, nullable, number, text, userId } from './column-types.js';

/** The audit trail; rows are added and never changed. */
@Entity('user_session_event')
@Index('idx_user_session_event_realm', ['realm', 'id'])
@Index('idx_user_session_event_account', ['userKey', 'id'])
@Index('idx_user_session_event_session', ['sessionId', 'id'])
@Index('idx_user_session_event_ip', ['ip', 'id'])
@Index('idx_user_session_event_type', ['realm', 'type', 'id'])
export class SessionEventEntity {
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

  /** What else belongs to this type of event. */
  @Column(nullable(json('detail')))
  detail!: Readonly<Record<string, unknown>> | null;
}
