import { Column, Entity, PrimaryColumn } from 'typeorm';

export type Role = 'admin';

/** A user of the application. The session library knows nothing of this table: to it, the username is the user id. */
@Entity('app_user')
export class AppUser {
  @PrimaryColumn('varchar', { length: 128 })
  username!: string;

  /** As PasswordHasher made it. */
  @Column('varchar', { name: 'password_hash', length: 255 })
  passwordHash!: string;

  /** Empty for a user without rights of an operator. */
  @Column('varchar', { length: 32 })
  role!: Role | '';
}
