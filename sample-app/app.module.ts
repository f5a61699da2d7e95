import { type DynamicModule, Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuthGuard, SessionModule } from 'nestjs-latchkey';
import { jwksController } from 'nestjs-latchkey/jwt';
import { CommentsController } from './account/comments.controller.js';
import { DataController } from './account/data.controller.js';
import { MeController } from './account/me.controller.js';
import { SessionsController } from './account/sessions.controller.js';
import { AdminModule } from './admin/admin.module.js';
import { AuthModule } from './auth/auth.module.js';
import { SAMPLE_CONFIG, type SampleConfig } from './config/sample-config.js';
import { dataSourceOptions, openDataSource } from './database/data-source.js';
import { HealthController } from './health/health.controller.js';
import { UnreadableRequestFilter } from './http/unreadable-request.filter.js';
import { NoStoreInterceptor } from './http/no-store.interceptor.js';
import { EndedHere } from './live/ended-here.js';
import { LiveController } from './live/live.controller.js';
import { LiveSessions } from './live/live-sessions.js';
import { CommandsController } from './pages/commands.controller.js';
import { PagesController } from './pages/pages.controller.js';
import { SettingsController } from './pages/settings.controller.js';
import { type SampleKeys, sessionOptions } from './session-options.js';

/** The whole application: the session library takes its database from TypeOrmModule, and guards every route. */
@Module({
  imports: [AuthModule, AdminModule],
  controllers: [
    PagesController,
    SettingsController,
    CommandsController,
    HealthController,
    MeController,
    LiveController,
    DataController,
    CommentsController,
    SessionsController,
  ],
  providers: [
    LiveSessions,
    { provide: APP_GUARD, useClass: AuthGuard },
    { provide: APP_FILTER, useClass: UnreadableRequestFilter },
    { provide: APP_INTERCEPTOR, useClass: NoStoreInterceptor },
  ],
})
export class AppModule {
  static with(config: SampleConfig, keys: SampleKeys): DynamicModule {
    const options = sessionOptions(config, keys);
    const endedHere = new EndedHere();
    return {
      module: AppModule,
      global: true,
      imports: [
        TypeOrmModule.forRootAsync({
          useFactory: () => ({ ...dataSourceOptions(config.database), retryAttempts: 0 }),
          dataSourceFactory: (options) => openDataSource(config.database, options!),
        }),
        SessionModule.forRoot({ isGlobal: true, ...options, hooks: { onEvent: endedHere.onEvent } }),
      ],
      // Other services check JWTs with these keys.
      controllers: options.tokens.name === 'jwt' ? [jwksController(options.tokens)] : [],
      providers: [
        { provide: SAMPLE_CONFIG, useValue: config },
        { provide: EndedHere, useValue: endedHere },
      ],
      exports: [SAMPLE_CONFIG],
    };
  }
}
