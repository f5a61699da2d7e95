import type { AddressInfo } from 'node:net';
import type { INestApplication, ModuleMetadata, Type } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { type AbstractHttpAdapter, NestFactory } from '@nestjs/core';
import { afterAll, beforeAll } from '@jest/globals';
import { SessionModule, type SessionModuleOptions, multiDevice } from 'nestjs-latchkey';
import { type TestDatabase, createSqlite } from './databases.js';
import { SECRET, type Services, patient, servicesOf } from './sessions.js';

const TIMING = { poll: '50ms', pollFreshness: '200ms' } as const;

/** D of tests that measure how late the end of a session reaches sockets and streams, long enough for a busy machine. */
export const MEASURED_D = { timing: { pollFreshness: '4s' }, ms: 4000 } as const;

/** A node that listens, with a short D. */
export interface Node extends Services {
  readonly app: INestApplication;
  readonly url: string;
  readonly port: number;
}

export interface NodeOptions {
  readonly session?: Partial<SessionModuleOptions>;
  readonly adapter?: AbstractHttpAdapter;
  /** Called before the application listens. */
  readonly configure?: (app: INestApplication) => unknown;
}

/** Starts applications of one block of tests on a database of their own, and closes them after it. */
export function useNodes() {
  const apps: INestApplication[] = [];
  let database: TestDatabase;
  beforeAll(async () => void (database = await createSqlite()));
  afterAll(async () => {
    await Promise.all(apps.map((app) => app.close()));
    await database.drop();
  });
  return async (root: ModuleMetadata, { session = {}, adapter, configure }: NodeOptions = {}): Promise<Node> => {
    const sessions = SessionModule.forRoot({
      secret: SECRET,
      database: database.options,
      policy: multiDevice(),
      isGlobal: true,
      ...session,
      timing: patient({ ...TIMING, ...session.timing }),
    });
    @Module({ ...root, imports: [sessions, ...(root.imports ?? [])] })
    class Root {}
    const options = { logger: false, abortOnError: false } as const;
    const app = await (adapter ? NestFactory.create(Root, adapter, options) : NestFactory.create(Root, options));
    apps.push(app);
    await configure?.(app);
    await app.listen(0, '127.0.0.1');
    const { port } = (app.getHttpServer() as { address(): AddressInfo }).address();
    return { app, port, url: `http://127.0.0.1:${port}`, ...servicesOf(app) };
  };
}

/** What a module declares, for a node without its imports. */
export function partsOf(module: Type<object>): ModuleMetadata {
  const of = (key: string) => (Reflect.getMetadata(key, module) ?? []) as [];
  return { controllers: of('controllers'), providers: of('providers') };
}
