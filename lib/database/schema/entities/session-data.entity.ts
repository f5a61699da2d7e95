import { Column, Entity, PrimaryColumn } from 'typeorm';
import { json, number, text } from './column-types.js';

/** One value of a session's or an account's data; one row a name, so that writers of different names never meet. */
@Entity('user_session_data')
export class SessionDataEntity {
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
