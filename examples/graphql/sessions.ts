import { randomBytes } from 'node:crypto';
import { TypeOrmModule } from '@nestjs/typeorm';
import libsql from 'libsql';
import { SessionModule, multiDevice } from 'nestjs-latchkey';

/** Sessions in memory: they are gone with the process. */
export const sessions = [
  TypeOrmModule.forRoot({ type: 'better-sqlite3', driver: libsql, database: ':memory:' }),
  SessionModule.forRoot({
    secret: process.env.SESSION_SECRET ?? randomBytes(32).toString('hex'),
    policy: multiDevice(),
    isGlobal: true,
  }),
];
