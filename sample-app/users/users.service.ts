import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { SessionError } from 'nestjs-latchkey';
import { In, type Repository } from 'typeorm';
import { AppUser } from './app-user.entity.js';
import { PasswordHasher } from './password-hasher.js';

const DEADLINE_MS = 4000;

/** Users and their passwords. Rejects with SESSION_STORE_UNAVAILABLE when the database does not answer in time. */
@Injectable()
export class UsersService {
  constructor(
    @InjectRepository(AppUser) private readonly users: Repository<AppUser>,
    private readonly passwords: PasswordHasher,
  ) {}

  /** The user with this name and password, or null. Takes the same time whether or not there is such a name. */
  async authenticate(username: string, password: string): Promise<AppUser | null> {
    const user = await this.find(username);
    const isRight = user
      ? await this.passwords.verify(password, user.passwordHash)
      : await this.passwords.verifyNothing(password);
    return isRight ? user : null;
  }

  /**
   * Puts a new password in the place of the one that `user` was authenticated with.
   * @returns false, and nothing done, if another change was faster
   */
  async replacePassword(user: AppUser, newPassword: string): Promise<boolean> {
    const passwordHash = await this.passwords.hash(newPassword);
    const seen = { username: user.username, passwordHash: user.passwordHash };
    const { affected } = await inTime(this.users.update(seen, { passwordHash }));
    return affected === 1;
  }

  /** Those of these names that are users. */
  async findAll(usernames: readonly string[]): Promise<readonly AppUser[]> {
    // PostgreSQL refuses a whole statement for one name that no column can hold.
    const asked = new Set(usernames.filter((name) => !name.includes('\0')));
    const users = asked.size === 0 ? [] : await inTime(this.users.findBy({ username: In([...asked]) }));
    return users.filter(({ username }) => asked.has(username));
  }

  /** The user with exactly this name, or null. */
  async find(username: string): Promise<AppUser | null> {
    const user = await inTime(this.users.findOneBy({ username }));
    // Databases have notions of their own of equal text (MariaDB: case, trailing spaces); a user id has one spelling.
    return user?.username === username ? user : null;
  }
}

/** Without this, a database that hangs would keep the client waiting, and one that is down would be a 500. */
async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`No answer within ${DEADLINE_MS} ms.`)), DEADLINE_MS);
  });
  try {
    return await Promise.race([work, deadline]);
  } catch (cause) {
    throw new SessionError('SESSION_STORE_UNAVAILABLE', undefined, { cause });
  } finally {
    clearTimeout(timer);
  }
}
