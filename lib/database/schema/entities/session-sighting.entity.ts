import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { number, text } from './column-types.js';

/** A session that was used from an address; see docs/operators.md for how exact the times are. */
@Entity('user_session_sighting')
@Index('idx_user_session_sighting_ip', ['realm', 'ipKey', 'lastAt'])
@Index('idx_user_session_sighting_last', ['realm', 'lastAt'])
@Index('idx_user_session_sighting_user', ['userKey', 'lastAt'])
export class SessionSightingEntity {
  @PrimaryColumn(text('session_id', 32))
  sessionId!: string;

  /** The address as IPv6, 32 hex digits: a network is a range of them. */
  @PrimaryColumn(text('ip_key', 32))
  ipKey!: string;

  @Column(text('ip', 45))
  ip!: string;

  @Column(text('realm', 64))
  realm!: string;

  /** That of the session. */
  @Column(text('user_key', 64))
  userKey!: string;

  @Column(number('first_at'))
  firstAt!: number;

  @Column(number('last_at'))
  lastAt!: number;
}
