import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { number, text } from './column-types.js';

/** The change log: one row for every change of a verdict, written in the transaction of the change. Nodes poll it. */
@Entity('user_session_change')
@Index('idx_user_session_change_at', ['realm', 'at'])
export class SessionChangeEntity {
  @PrimaryColumn(text('session_id', 32))
  sessionId!: string;

  @PrimaryColumn(number('version'))
  version!: number;

  @Column(text('realm', 64))
  realm!: string;

  @Column(number('at'))
  at!: number;
}
