import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { readFileSync } from 'node:fs';
import * as common from '@nestjs/common';
import { Controller, Get, Injectable, Module, type ModuleMetadata, UseGuards } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import * as passportModule from '@nestjs/passport';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import * as main from 'nestjs-latchkey';
import {
  AuthGuard,
  CurrentUser,
  SessionModule,
  type SessionModuleAsyncOptions,
  type SessionModuleOptions,
  type SessionOptionsFactory,
  TokenService,
  multiDevice,
} from 'nestjs-latchkey';
import * as admin from 'nestjs-latchkey/admin';
import * as microservices from 'nestjs-latchkey/microservices';
import * as testing from 'nestjs-latchkey/testing';
import * as websockets from 'nestjs-latchkey/websockets';
import passport from 'passport';
import * as typeorm from 'typeorm';
import { DataSource } from 'typeorm';
import { SqliteEngine } from 'lib/sqlite-engine.js';
import { type TestDatabase, kindsOf, sqliteOptions } from '../support/databases.js';
import { SECRET } from '../support/sessions.js';
import { until } from '../support/until.js';
import { MeController, adapters, answersOf, sessionOptions, startApp, verdict } from './http-app.js';

const { good, missing } = answersOf('users');

/** Resolved by a test to let the handler of /slow answer. */
let release: () => void;
let entered: () => void;

@Controller()
@UseGuards(AuthGuard)
class SlowController extends MeController {
  @Get('slow')
  async slow(@CurrentUser('userId') userId: string) {
    const released = new Promise<void>((resolve) => (release = resolve));
    entered();
    await released;
    return { userId };
  }
}

/** Names of the strategies of this library that passport knows. */
function registeredStrategies(): string[] {
  const { _strategies: registry } = passport as unknown as { _strategies: Record<string, unknown> };
  return Object.keys(registry).filter((name) => name.startsWith('session-'));
}

afterEach(() => void jest.restoreAllMocks());

it('exports these values, and no others', () => {
  expect(Object.keys(main).sort()).toEqual([
    ...'AllowCrossSite AuthGuard ChangePendingError CheckBan CurrentSession CurrentUser'.split(' '),
    ...'InjectOperators InjectSessions InjectTokens InjectVerifier LatchkeyAccount'.split(' '),
    ...'LatchkeyData LatchkeyEvent LatchkeySession LatchkeySighting LatchkeyStatistic LoginDetails'.split(' '),
    ...'NoActivity OperatorService OptionalAuth PresentedRefreshToken PresentedToken Public RequireClaims'.split(' '),
    ...'RequireFresh RequireRole Sensitive SessionAnswer SessionCookies SessionError SessionErrorFilter'.split(' '),
    ...'SessionLimitError SessionModule SessionRoutesModule SessionService SessionStatus SessionVerifier TokenRefusedError TokenService accessAndRefresh allOf bearer'.split(
      ' ',
    ),
    ...'both cookies documentSessions fixed getTokenServiceToken multiDevice oneDevicePerType sessionEntities sessionMigrations singleDevice'.split(
      ' ',
    ),
    'sliding',
  ]);
  expect(Object.keys(admin).sort()).toEqual(['OnlineUsersService', 'SessionAdminModule']);
  expect(Object.keys(testing).sort()).toEqual([
    ...'ManualClock SessionTestingModule actingAs devicePolicyContract fakeAuthGuard messengerContract'.split(' '),
    ...'openSqlRepositories sessionRepositoryContract'.split(' '),
  ]);
  expect(Object.keys(websockets).sort()).toEqual([
    'SessionIoAdapter',
    'SessionWsAdapter',
    'onSessionChange',
    'sessionOf',
  ]);
  expect(Object.keys(microservices).sort()).toEqual(['RpcAuthGuard', 'RpcRenewalInterceptor']);
});

it('exports no name, types included, that Nest or TypeORM exports, but for AuthGuard', () => {
  const entries = ['../../lib/index.ts', '../../lib/admin/index.ts'].map((path) => new URL(path, import.meta.url));
  const ours = entries.flatMap((entry) =>
    [...readFileSync(entry, 'utf8').matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, names]) =>
      names!.match(/\w+/g)!,
    ),
  );
  expect(ours).toContain('UserSession');
  const theirs = new Set([common, passportModule, typeorm].flatMap((module) => Object.keys(module)));
  expect(ours.filter((name) => theirs.has(name))).toEqual(['AuthGuard']);
});

describe('a configuration error', () => {
  /** Boots with these options in place of good ones, and returns what stops it. */
  const boot = async (options: Record<string, unknown>) => {
    const given: SessionModuleOptions = { ...sessionOptions(), ...options };
    const started = startApp(adapters[0]!, { imports: [SessionModule.forRoot(given)] });
    const error = await started.then((server) => server.close()).catch((reason: unknown) => reason);
    return error as Error | undefined;
  };

  const secretOf = (secret: unknown): [string, Record<string, unknown>] => ['secret', { secret }];
  const wrong: readonly [string, Record<string, unknown>, string?][] = [
    ['secret', { secret: undefined }, 'is undefined; generate one with: openssl rand'],
    ['secret', { secret: 'x'.repeat(31) }, 'at least 32 bytes, but has 31'],
    ...['', 'ü'.repeat(15), Buffer.alloc(64)].map(secretOf),
    ...[[], [SECRET, SECRET], [SECRET, ''], Array.from({ length: 5 }, (_, i) => SECRET + i)].map(secretOf),
    ['realm', { realm: 'Users' }],
    ['database', { database: undefined }, 'TypeOrmModule.forRoot()'],
    ['database', { database: 'sqlite::memory:' }],
    ['database', { database: {} }],
    ['database', { database: { type: 'mongodb', url: 'mongodb://localhost' } }, 'better-sqlite3, postgres'],
    ['database', { database: { type: 'sqljs' } }],
    ['database', { database: { type: '__proto__' } }],
  ];

  it.each(wrong.map(([name, options, says]) => ({ name, options, says })))(
    'A9, A118: stops the boot and names $name: $options',
    async ({ name, options, says = '' }) => {
      const error = await boot(options);
      expect(error).toMatchObject({ name: 'SessionError', code: 'CONFIGURATION_INVALID' });
      expect(error!.message).toContain(`option "${name}" `);
      expect(error!.message).toContain(says);
    },
  );

  it('A113: does not repeat a secret that is too short', async () => {
    expect(String(await boot({ secret: 'hunter2hunter2' }))).not.toContain('hunter2');
  });

  it.each([
    ['that there is no server', { type: 'postgres', url: 'postgres://nobody@127.0.0.1:1/none' }],
    ['that there can be no such file', sqliteOptions('/dev/null/sessions.sqlite')],
  ])('says %s', async (_title, database) => {
    expect(await boot({ database })).toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: expect.stringContaining('cannot connect to its database'),
    });
  });
});

describe.each(adapters)('SessionModule on $name', (kind) => {
  const token = async (tokens: TokenService) => (await tokens.login('alice')).accessToken;

  @Module({ providers: [{ provide: 'SECRET', useValue: SECRET }], exports: ['SECRET'] })
  class ConfigModule {}

  @Injectable()
  class OptionsFactory implements SessionOptionsFactory {
    createSessionOptions(): SessionModuleOptions {
      return sessionOptions({ realm: 'by-class' });
    }
  }

  it('takes its options from a factory with dependencies', async () => {
    const session = SessionModule.forRootAsync({
      imports: [ConfigModule],
      inject: ['SECRET'],
      useFactory: async (secret: string) => sessionOptions({ secret, realm: 'by-factory' }),
    });
    const server = await startApp(kind, { imports: [session], controllers: [MeController] });
    expect(verdict(await server.send())).toEqual(answersOf('by-factory').missing);
    expect(verdict(await server.sendWith(await token(server.tokens)))).toEqual(good);
    await server.close();
  });

  @Module({ providers: [OptionsFactory], exports: [OptionsFactory] })
  class FactoryModule {}

  it.each<[string, SessionModuleAsyncOptions]>([
    ['a class', { useClass: OptionsFactory }],
    ['a provider that there is', { useExisting: OptionsFactory, imports: [FactoryModule] }],
  ])('takes its options from %s', async (_from, options) => {
    const session = SessionModule.forRootAsync(options);
    const server = await startApp(kind, { imports: [session], controllers: [MeController] });
    expect(verdict(await server.send())).toEqual(answersOf('by-class').missing);
    await server.close();
  });

  it.each(['forRoot', 'forRootAsync'] as const)('serves every module with isGlobal: %s', async (method) => {
    @Module({ controllers: [MeController] })
    class FeatureModule {}

    const start = (isGlobal: boolean) => {
      const session =
        method === 'forRoot'
          ? SessionModule.forRoot({ ...sessionOptions(), isGlobal })
          : SessionModule.forRootAsync({ isGlobal, useFactory: () => sessionOptions() });
      return startApp(kind, { imports: [session, FeatureModule] });
    };
    await expect(start(false)).rejects.toThrow(/SessionModule.forRoot\(\{ isGlobal: true \}\) of nestjs-latchkey/);
    const server = await start(true);
    expect(verdict(await server.send())).toEqual(missing);
    expect(verdict(await server.sendWith(await token(server.tokens)))).toEqual(good);
    await server.close();
  });

  describe('with TypeOrmModule', () => {
    let databases: TestDatabase[];

    beforeAll(async () => (databases = await Promise.all([1, 2].map(() => kindsOf('sqlite')[0]!.create()))));

    afterAll(() => Promise.all(databases.map((database) => database.drop())));

    const countSessions = async (source: DataSource) => {
      const [row] = await source.query<{ n: number }[]>('SELECT COUNT(*) AS n FROM latchkey_session');
      return row!.n;
    };

    it.each(['before', 'after'])('records in the default DataSource; imported %s it', async (order) => {
      const imports = [
        SessionModule.forRoot({ secret: SECRET, policy: multiDevice() }),
        TypeOrmModule.forRoot(databases[0]!.options),
      ];
      const server = await startApp(kind, { imports: order === 'before' ? imports : imports.reverse() });
      const source = server.app.get(DataSource);
      const before = await countSessions(source);
      await token(server.tokens);
      expect(await countSessions(source)).toBe(before + 1);
      await server.close();
    });

    it('records in the DataSource that it is given, whatever the default one is', async () => {
      const server = await startApp(kind, {
        imports: [
          TypeOrmModule.forRoot(databases[0]!.options),
          TypeOrmModule.forRoot({ ...databases[1]!.options, name: 'other' }),
          SessionModule.forRootAsync({
            inject: [getDataSourceToken('other')],
            useFactory: (database: DataSource) => ({ secret: SECRET, policy: multiDevice(), database }),
          }),
        ],
      });
      const [defaultSource, other] = [
        server.app.get(DataSource),
        server.app.get<DataSource>(getDataSourceToken('other')),
      ];
      const before = [await countSessions(defaultSource), await countSessions(other)];
      await token(server.tokens);
      expect([await countSessions(defaultSource), await countSessions(other)]).toEqual([before[0], before[1]! + 1]);
      await server.close();
    });
  });

  describe('at its close', () => {
    const metadata = (): ModuleMetadata => ({
      imports: [SessionModule.forRoot(sessionOptions())],
      controllers: [SlowController],
      providers: [{ provide: APP_GUARD, useClass: AuthGuard }],
    });

    it('M10: is forgotten by passport', async () => {
      const before = registeredStrategies();
      const servers = [await startApp(kind, metadata()), await startApp(kind, metadata())];
      expect(registeredStrategies()).toHaveLength(before.length + 2);
      for (const server of servers) await server.close();
      expect(registeredStrategies()).toEqual(before);
    });

    it('A36: answers the request that is under way, with tokens still checked', async () => {
      const server = await startApp(kind, metadata());
      const accessToken = await token(server.tokens);
      const reached = new Promise<void>((resolve) => (entered = resolve));
      const answer = server.sendWith(accessToken, { path: '/slow' });
      await reached;
      const closed = server.close();
      release();
      expect((await answer).json).toEqual({ userId: 'alice' });
      await closed;
    });

    it('A36: answers the request whose token is being looked up', async () => {
      const server = await startApp(kind, metadata());
      const accessToken = await token(server.tokens);
      const original = Object.getOwnPropertyDescriptor(SqliteEngine.prototype, 'read')!.value as SqliteEngine['read'];
      let proceed!: () => void;
      const held = new Promise<void>((resolve) => (proceed = resolve));
      const reading = new Promise<void>((resolve) => {
        jest.spyOn(SqliteEngine.prototype, 'read').mockImplementation(async function (this: SqliteEngine, ...args) {
          if (args[1].lane === 'verify') {
            resolve();
            await held;
          }
          return original.apply(this, args);
        });
      });
      const answer = server.sendWith(accessToken);
      await reading;
      const closed = server.close();
      proceed();
      expect((await answer).json).toEqual({ userId: 'alice' });
      await closed;
    });

    it('writes the uses that are pending and leaves nothing open', async () => {
      const postgres = await kindsOf('postgres')[0]!.create();
      const watcher = await new DataSource(postgres.options).initialize();
      const connections = async () => {
        const [row] = await watcher.query<{ n: string }[]>(
          'SELECT COUNT(*) AS n FROM pg_stat_activity WHERE datname = current_database()',
        );
        return Number(row!.n);
      };
      const before = countByType(process.getActiveResourcesInfo());
      const server = await startApp(kind, {
        imports: [SessionModule.forRoot({ secret: SECRET, database: postgres.options })],
        controllers: [MeController],
      });
      const accessToken = await token(server.tokens);
      await server.sendWith(accessToken);
      expect(await connections()).toBeGreaterThan(1);
      await server.close();

      const [row] = await watcher.query<Record<string, string | null>[]>(
        'SELECT last_ip, (SELECT COUNT(*) FROM latchkey_node) AS members FROM latchkey_session',
      );
      expect(row).toEqual({ last_ip: expect.stringContaining('127.0.0.1'), members: '0' });
      // A backend of PostgreSQL and a handle of this process end a moment after their connection.
      await until(async () => (await connections()) === 1);
      await until(() => {
        // What an earlier test left may end meanwhile, so there may be less than before, and never more.
        const after = countByType(process.getActiveResourcesInfo());
        return [...after].every(([type, count]) => count <= (before.get(type) ?? 0));
      });
      await watcher.destroy();
      await postgres.drop();
    });
  });
});

function countByType(resources: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const type of resources) counts.set(type, (counts.get(type) ?? 0) + 1);
  return counts;
}
