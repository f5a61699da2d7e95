import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Controller, Get, Injectable, type LoggerService, Module, UseGuards } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { AuthGuard as PassportAuthGuard, PassportModule, PassportStrategy } from '@nestjs/passport';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuthGuard, SessionModule, sessionMigrations, sessionEntities } from 'nestjs-latchkey';
import { SessionAdminModule } from 'nestjs-latchkey/admin';
import { ManualClock } from 'nestjs-latchkey/testing';
import passport, { Strategy } from 'passport';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { kindsOf, sqliteOptions } from '../support/databases.js';
import { SECRET } from '../support/sessions.js';
import { adapters, sessionOptions, startApp } from './http-app.js';

const [express] = adapters;

describe('SessionModule twice in one application', () => {
  let database: Awaited<ReturnType<ReturnType<typeof kindsOf>[0]['create']>>;

  afterEach(() => database.drop());

  const boot = async (first: object, second: object) => {
    database = await kindsOf('sqlite')[0]!.create();
    const options = { secret: SECRET, database: database.options };
    @Module({ imports: [SessionModule.forRoot({ ...options, ...first })] })
    class FirstModule {}
    @Module({ imports: [SessionModule.forRoot({ ...options, ...second })] })
    class SecondModule {}
    const started = startApp(express!, {
      imports: [TypeOrmModule.forRoot(database.options), FirstModule, SecondModule],
    });
    return started.then((server) => server.close()).catch((error: unknown) => error);
  };

  it('for one realm stops the boot, and says what to do', async () => {
    const memory = { database: sqliteOptions(':memory:') };
    for (const [first, second] of [
      [{}, { tokenPrefix: 'two' }],
      [{}, { tokenPrefix: 'two', database: undefined }],
      [memory, memory],
    ]) {
      expect(await boot(first!, second!)).toMatchObject({
        code: 'CONFIGURATION_INVALID',
        message: expect.stringMatching(
          /twice for the realm "users" on one database\. Call forRoot once, with isGlobal/,
        ),
      });
    }
  });

  it.each([
    ['for two realms', { realm: 'staff' }],
    ['on two databases', { database: sqliteOptions(':memory:') }],
  ])('is fine %s', async (_title, second) => {
    expect(await boot({}, second)).toBeUndefined();
  });

  it('stops the boot where a module imports the class alone, and says what to import', async () => {
    database = await kindsOf('sqlite')[0]!.create();
    const session = SessionModule.forRoot({ secret: SECRET, database: database.options });
    @Module({ imports: [SessionModule] })
    class FeatureModule {}
    await expect(startApp(express!, { imports: [session, FeatureModule] })).rejects.toThrow(
      /"SessionModule\.forRoot\(\{ secret, isGlobal: true \}\), once, in the place of SessionModule"/,
    );
  });

  it('is fine where one module is imported twice', async () => {
    database = await kindsOf('sqlite')[0]!.create();
    const session = SessionModule.forRoot({ secret: SECRET, database: database.options });
    @Module({ imports: [session] })
    class FeatureModule {}
    await (await startApp(express!, { imports: [session, FeatureModule] })).close();
  });
});

describe('a module without options, which JavaScript allows', () => {
  const invalid = (message: string) => expect.objectContaining({ code: 'CONFIGURATION_INVALID', message });
  const fails = (call: () => unknown, ...words: string[]) => {
    for (const word of words) expect(call).toThrow(invalid(expect.stringContaining(word) as unknown as string));
  };

  it.each([
    ['SessionModule', SessionModule, 'secret'],
    ['SessionAdminModule', SessionAdminModule, 'authorize'],
  ] as const)('%s says what to pass', (name, module, option) => {
    const { forRoot, forRootAsync } = module as unknown as Record<
      'forRoot' | 'forRootAsync',
      (given?: unknown) => unknown
    >;
    for (const given of [undefined, null, 'text']) {
      fails(() => forRoot.call(module, given), `${name}.forRoot() needs options`, option);
    }
    for (const given of [undefined, null, {}, { useFactory: {} }]) {
      fails(() => forRootAsync.call(module, given), `${name}.forRootAsync() needs useFactory`, option);
    }
  });

  it('says which factory returned nothing', async () => {
    const useFactory = () => undefined as never;
    await expect(startApp(express!, { imports: [SessionModule.forRootAsync({ useFactory })] })).rejects.toEqual(
      invalid(expect.stringMatching(/factory of forRootAsync\(\) must return \{ secret/) as unknown as string),
    );
    const session = SessionModule.forRoot({ ...sessionOptions(), isGlobal: true });
    const admin = SessionAdminModule.forRootAsync({ useFactory });
    await expect(startApp(express!, { imports: [session, admin] })).rejects.toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: expect.stringMatching(/SessionAdminModule.*"authorize"/),
    });
  });
});

describe('a guard of @nestjs/passport where ours was meant', () => {
  let lines: string[] = [];
  const keep = (message: unknown) => void lines.push(String(message));
  const logger: LoggerService = { log: () => undefined, warn: keep, error: keep, fatal: keep };

  afterEach(() => {
    passport.unuse('jwt');
    jest.restoreAllMocks();
  });

  const boot = async (
    guard: new (...args: never[]) => object,
    more: { imports?: never[]; providers?: never[] } = {},
  ) => {
    @Controller()
    @UseGuards(guard)
    class GuardedController {
      @Get('me')
      me() {
        return {};
      }
    }
    lines = [];
    const imports = [SessionModule.forRoot(sessionOptions()), ...(more.imports ?? [])];
    const providers = more.providers ?? [];
    const server = await startApp(express!, { imports, controllers: [GuardedController], providers }, { logger });
    const { status } = await server.send();
    await server.close();
    return { status, named: lines.filter((line) => line.includes('Import AuthGuard from nestjs-latchkey')) };
  };

  @Injectable()
  class OldGuard extends PassportAuthGuard('jwt') {}
  @Injectable()
  class OwnGuard extends AuthGuard {}
  class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
    override authenticate(): void {
      (this as unknown as { fail(): void }).fail();
    }

    validate(): null {
      return null;
    }
  }

  it.each([
    ['AuthGuard()', PassportAuthGuard()],
    ["AuthGuard('bearer')", PassportAuthGuard('bearer')],
    ["AuthGuard('jwt')", OldGuard],
  ])('is named at the boot: %s', async (call, guard) => {
    const { status, named } = await boot(guard);
    expect(status).toBe(500);
    expect(named).toEqual([expect.stringContaining(`Root has a guard ${call} of @nestjs/passport`)]);
  });

  it('is named where it is for all routes', async () => {
    const providers = [{ provide: APP_GUARD, useClass: PassportAuthGuard('bearer') }] as never[];
    expect((await boot(OwnGuard, { providers })).named).toHaveLength(1);
  });

  it('is left alone where there is a strategy for it, and so are ours', async () => {
    const providers = [JwtStrategy] as never[];
    expect(await boot(OldGuard, { providers })).toEqual({ status: 401, named: [] });
    const imports = [PassportModule.register({ defaultStrategy: 'jwt' })] as never[];
    expect(await boot(PassportAuthGuard(), { providers, imports })).toEqual({ status: 401, named: [] });
    for (const guard of [AuthGuard, OwnGuard]) expect(await boot(guard)).toEqual({ status: 401, named: [] });
  });
});

describe.each(kindsOf('postgres', 'mariadb'))('a database user without rights, on $name', ({ name, create }) => {
  const boot = async (options: object) => {
    const started = startApp(express!, { imports: [SessionModule.forRoot(sessionOptions(options))] });
    const error: unknown = await started.then((server) => server.close()).catch((reason: unknown) => reason);
    return error as Error | undefined;
  };

  it('is told which right is missing', async () => {
    const database = await create({ empty: true });
    const owner = await new DataSource({
      ...database.options,
      entities: [...sessionEntities],
      migrations: [...sessionMigrations],
    } as DataSourceOptions).initialize();
    const url = new URL(database.url);
    const user = `visitor_${url.pathname.slice(-8)}`;
    const account = name === 'mariadb' ? `${user}@'%'` : user;
    const grant = (rights: string) =>
      owner.query(
        name === 'mariadb'
          ? `GRANT ${rights} ON ${url.pathname.slice(1)}.* TO ${account}`
          : `GRANT ${rights} ON ALL TABLES IN SCHEMA public TO ${account}`,
      );
    await owner.query(name === 'mariadb' ? `CREATE USER ${account}` : `CREATE ROLE ${user} LOGIN`);
    if (name === 'postgres') await owner.query('REVOKE CREATE ON SCHEMA public FROM PUBLIC');
    else await grant('SELECT');
    Object.assign(url, { username: user, password: '' });
    const visitor = { type: database.options.type, url: url.href };

    expect(await boot({ database: visitor })).toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: expect.stringMatching(
        /cannot create or change its tables \(.*denied.*\)\. Let .*"runMigrations" to false/,
      ),
    });
    await owner.runMigrations();
    if (name === 'postgres') {
      expect(await boot({ database: visitor, runMigrations: false })).toMatchObject({
        code: 'CONFIGURATION_INVALID',
        message: expect.stringMatching(/cannot be read \(permission denied .*needs SELECT, INSERT, UPDATE and DELETE/),
      });
    }
    await grant('SELECT');
    const clock = new ManualClock(Date.now());
    const monotonic = jest.spyOn(clock, 'monotonic');
    // Time passes while the boot tries again.
    monotonic.mockImplementation(() => monotonic.mock.calls.length * 4000);
    expect(await boot({ database: visitor, runMigrations: false, clock })).toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: expect.stringMatching(/cannot write to its tables \(.*denied.*needs SELECT, INSERT, UPDATE and DELETE/),
    });
    await grant('INSERT, UPDATE, DELETE');
    expect(await boot({ database: visitor, runMigrations: false })).toBeUndefined();

    if (name === 'postgres') await owner.query(`DROP OWNED BY ${user}`);
    await owner.query(name === 'mariadb' ? `DROP USER ${account}` : `DROP ROLE ${user}`);
    await owner.destroy();
    await database.drop();
  });
});
