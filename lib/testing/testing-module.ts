import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type DynamicModule, Module } from '@nestjs/common';
import type { DataSourceOptions } from 'typeorm';
import { isObject } from '../model/checked-input.js';
import { misused } from '../model/session-error.js';
import { SessionModule } from '../nest/module/session.module.js';
import type { SessionModuleOptions } from '../nest/module/session-options.js';

/** Signs the tokens of tests. Public, so it must never sign others. */
const SECRET = 'published with nestjs-latchkey/testing: a secret for tests only';
const DRIVERS = ['libsql', 'better-sqlite3'];

/**
 * Takes the place of SessionModule in tests: real sessions in a database of its own in memory, without a server. Global,
 * with a fixed secret. Needs one of the SQLite drivers `libsql` and `better-sqlite3`, unless the option `database` is given.
 * ```ts
 * Test.createTestingModule({ imports: [OrdersModule, SessionTestingModule.forRoot()] });
 * ```
 */
@Module({})
export class SessionTestingModule {
  /**
   * @param options those of SessionModule, all optional
   * @throws SessionError CONFIGURATION_INVALID, saying what to install if there is no SQLite driver
   */
  static forRoot(options: Partial<SessionModuleOptions> = {}): DynamicModule {
    if (!isObject(options)) throw misused('SessionTestingModule.forRoot needs an object of options, or nothing');
    const { database = inMemory(), ...rest } = options;
    const session = SessionModule.forRoot({ secret: SECRET, ...rest, database, isGlobal: true });
    return { module: SessionTestingModule, imports: [session], exports: [session] };
  }
}

function inMemory(): DataSourceOptions {
  // By the application's directory, because a strict package manager hides its drivers from this package.
  const load = createRequire(join(process.cwd(), 'package.json'));
  for (const name of DRIVERS) {
    try {
      return { type: 'better-sqlite3', driver: load(name) as unknown, database: ':memory:' };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  throw misused(
    `SessionTestingModule found no SQLite driver in ${process.cwd()}: install one with "npm install --save-dev libsql", or ` +
      'pass the option database',
  );
}
