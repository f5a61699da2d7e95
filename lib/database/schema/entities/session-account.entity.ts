import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Ban } from '../../../model/ban.js';
import { json, nullable, number, text, userId } from './column-types.js';

/** One user of one realm who has logged in at least once. Its row is the lock that logins of the user take. */
@Entity('user_session_account')
export class SessionAccountEntity {
  /** SHA-256 over realm and user id, 64 hex digits. */
  @PrimaryColumn(text('user_key', 64))
  userKey!: string;

  @Column(text('realm', 64))
  realm!: string;

  @Column(userId())
  userId!: string;

  /** Grows with every change of credentials and every kick-all; a ticket of beginLogin names it. */
  @Column(number('epoch'))
  epoch!: number;

  /** Proofs of identity from before this time count no more; 0 for never changed. */
  @Column(number('not_before'))
  notBefore!: number;

  /** One for each service at most, and one from everything. */
  @Column(nullable(json('bans')))
  bans!: readonly Ban[] | null;

  @Column(number('created_at'))
  createdAt!: number;
}
