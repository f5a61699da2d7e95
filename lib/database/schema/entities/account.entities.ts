import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Ban } from '../../../model/ban.js';
import { json, nullable, number, table, text, userId } from './column-types.js';

/** One user of one realm who has logged in at least once. Its row is the lock that logins of the user take. */
@Entity(table('account'))
export class LatchkeyAccount {
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

/** One value of a session's or an account's data; one row a name, so that writers of different names never meet. */
@Entity(table('data'))
export class LatchkeyData {
  /** `s:` and the id of a session, or `a:` and the key of an account. */
  @PrimaryColumn(text('owner', 66))
  owner!: string;

  /** SHA-256 of the name, 64 hex digits: databases disagree on which texts are equal. */
  @PrimaryColumn(text('name_hash', 64))
  nameHash!: string;

  @Column(text('name', 128))
  name!: string;

  @Column(json('value'))
  value!: unknown;

  @Column(number('updated_at'))
  updatedAt!: number;
}
