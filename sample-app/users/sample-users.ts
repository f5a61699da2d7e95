import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { Repository } from 'typeorm';
import { SAMPLE_CONFIG, type SampleConfig } from '../config/sample-config.js';
import { isNotSqliteBusy, withRetries } from '../database/with-retries.js';
import { AppUser, type Role } from './app-user.entity.js';
import { PasswordHasher } from './password-hasher.js';

const BUILT_IN: readonly { readonly username: string; readonly role: Role | '' }[] = [
  { username: 'alice', role: '' },
  { username: 'bob', role: '' },
  { username: 'admin', role: 'admin' },
];
const BATCH = 500;

/** Adds the users that everyone knows the passwords of, at the start, and leaves those that are there as they are. */
@Injectable()
export class SampleUsers implements OnModuleInit {
  constructor(
    @InjectRepository(AppUser) private readonly users: Repository<AppUser>,
    private readonly passwords: PasswordHasher,
    @Inject(SAMPLE_CONFIG) private readonly config: SampleConfig,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.addBuiltIn();
    await this.addNumbered(this.config.seedUsers);
  }

  private async addBuiltIn(): Promise<void> {
    for (const { username, role } of BUILT_IN) {
      if (await this.exists(username)) continue;
      await this.add([{ username, role, passwordHash: await this.passwords.hash(`${username}-password`) }]);
    }
  }

  /** All have one password, and one hash of it: thousands of salts would be thousands of times the work. Not a model. */
  private async addNumbered(count: number): Promise<void> {
    // They are added in order, so where the last one is, all of them are.
    if (count === 0 || (await this.exists(`user${count}`))) return;
    const passwordHash = await this.passwords.hash('password');
    for (let from = 1; from <= count; from += BATCH) {
      const length = Math.min(BATCH, count - from + 1);
      await this.add(
        Array.from({ length }, (_, index) => ({ username: `user${from + index}`, role: '', passwordHash })),
      );
    }
  }

  private exists(username: string): Promise<boolean> {
    return this.users.existsBy({ username });
  }

  /** Other processes may be adding the same ones. */
  private async add(users: AppUser[]): Promise<void> {
    await withRetries(
      () => this.users.createQueryBuilder().insert().values(users).orIgnore().execute(),
      isNotSqliteBusy,
    );
  }
}
