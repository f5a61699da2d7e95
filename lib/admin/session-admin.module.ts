import { type DynamicModule, Module, ConfigurableModuleBuilder } from '@nestjs/common';
import { OperatorAudit } from '../database/transactions/audit.js';
import { checkPath, needAsyncOptions, needOptions, ofModule } from '../nest/module/resolve-options.js';
import { SessionRuntime } from '../nest/module/session-runtime.js';
import { AccountsController } from './routes/accounts.controller.js';
import { ADMIN_OPTIONS, AdminGuard } from './access/admin.guard.js';
import { type SessionAdminOptions, resolveAdminOptions, type SessionAdminExtras } from './access/admin-options.js';
import { BulkKick } from './routes/bulk-kick.js';
import { ConsoleController } from './routes/console.controller.js';
import { EventsController, ReportsController } from './routes/reports.controller.js';
import { ExportController } from './routes/export.controller.js';
import { KickController, OnlineController } from './routes/online.controller.js';
import { LiveController } from './routes/live.controller.js';
import { LiveFeed } from './live/live-feed.js';
import { OnlineSummaries } from './lists/online-counts.js';
import { OnlineUsersService } from './lists/online-users.service.js';
import './routes/admin-document.js';
import { PastSessions } from './routes/admin-items.js';
import { UserDirectory } from './lists/user-directory.js';
import { RouterModule } from '@nestjs/core';

/** Creates the options of SessionAdminModule, as a class for `forRootAsync({ useClass })` or a provider for `useExisting`. */
export interface SessionAdminOptionsFactory {
  createSessionAdminOptions(): SessionAdminOptions | Promise<SessionAdminOptions>;
}

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<SessionAdminOptions>({ moduleName: 'SessionAdmin' })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createSessionAdminOptions')
    .setExtras<SessionAdminExtras & Pick<DynamicModule, 'imports'>>(
      { path: 'admin', imports: [] },
      (definition, { path, imports = [] }) => ({
        ...definition,
        imports: [
          ...(definition.imports ?? []),
          ...imports,
          RouterModule.register([
            { path: ofModule('SessionAdminModule', () => checkPath(path)), module: definition.module },
          ]),
        ],
      }),
    )
    .build();

/**
 * Options of `SessionAdminModule.forRootAsync`: `useFactory` with `inject`, `useClass` or `useExisting`, `imports`,
 * `path`.
 */
export type SessionAdminAsyncOptions = typeof ASYNC_OPTIONS_TYPE;

const EXAMPLE = "{ authorize: ({ claims }) => claims.role === 'admin' }";

/**
 * Adds routes and a console page for operators: who is online, what happened, and ending sessions.
 * `SessionAdminModule.forRoot({ path: 'admin', authorize: ({ claims }) => claims.role === 'admin', console: { login:
 * '/login' } })`, or `forRootAsync`, beside a SessionModule that is global or among its `imports`. Requires `authorize`
 * or `guards`. docs/operators.md lists the routes.
 */
@Module({
  controllers: [
    ConsoleController,
    // Before the lists, whose routes would match "export" as a parameter.
    ExportController,
    OnlineController,
    AccountsController,
    KickController,
    EventsController,
    ReportsController,
    LiveController,
  ],
  providers: [
    {
      provide: ADMIN_OPTIONS,
      inject: [MODULE_OPTIONS_TOKEN],
      useFactory: (options: SessionAdminOptions) => resolveAdminOptions(options),
    },
    {
      provide: OperatorAudit,
      inject: [SessionRuntime],
      useFactory: ({ database: { engine, tables }, options: { realm, timing }, clock }: SessionRuntime) =>
        new OperatorAudit({ engine, tables, realm, clock, budgetMs: timing.endBudget }),
    },
    AdminGuard,
    UserDirectory,
    OnlineUsersService,
    OnlineSummaries,
    PastSessions,
    BulkKick,
    LiveFeed,
  ],
  exports: [OnlineUsersService],
})
export class SessionAdminModule extends ConfigurableModuleClass {
  static override forRoot(options: typeof OPTIONS_TYPE): DynamicModule {
    needOptions(options, 'SessionAdminModule.forRoot', EXAMPLE);
    return super.forRoot(options);
  }

  static override forRootAsync(options: SessionAdminAsyncOptions): DynamicModule {
    needAsyncOptions(options, 'SessionAdminModule.forRootAsync', EXAMPLE);
    return super.forRootAsync(options);
  }
}
