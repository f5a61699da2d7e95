import {
  type Abstract,
  ConfigurableModuleBuilder,
  type DynamicModule,
  type FactoryProvider,
  Logger,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleInit,
  type Type,
} from '@nestjs/common';
import { APP_FILTER, ApplicationConfig, HttpAdapterHost, ModulesContainer, Reflector } from '@nestjs/core';
import passport from 'passport';
import { DataSource } from 'typeorm';
import { randomId } from '../../tokens/token-codec.js';
import { OperatorService } from '../../services/operator-service.js';
import { SessionService } from '../../services/session-service.js';
import { TokenService } from '../../services/token-service.js';
import { misused } from '../../model/session-error.js';
import { untraced } from '../../async/periodic-task.js';
import { OnlineQueries } from '../../database/lists/online-queries.js';
import { FailedLoginQueries } from '../../database/lists/failed-login-queries.js';
import { SessionQueries } from '../../database/lists/session-queries.js';
import { SightingQueries } from '../../database/lists/sighting-queries.js';
import { StatisticQueries } from '../../database/lists/statistic-queries.js';
import { SessionCookies } from '../cookies/session-cookies.js';
import { tokenOfRealm } from '../http/realms.js';
import { findForeignGuards, refuseAmbiguousRealm, refuseTwin, refuseUnguardedRules } from './boot-checks.js';
import { endStreams } from './event-streams.js';
import { findEventEmitter } from './lifecycle-publisher.js';
import { needAsyncOptions, needOptions } from './resolve-options.js';
import { graphqlOptionsOf } from '../graphql/field-guards.js';
import { rememberReplies } from '../graphql/responses.js';
import { reserveRequestProperties } from '../http/fast-path/hidden-classes.js';
import { registerStrategy } from '../http/passport-hooks.js';
import { SESSION_MODULE, SessionAuthenticator } from '../http/session-authenticator.js';
import { SessionVerifier } from '../http/session-verifier.js';
import { SessionErrorFilter } from '../http/session-error.filter.js';
import type { SessionModuleOptions } from './session-options.js';
import { SessionRuntime, loading } from './session-runtime.js';
import { SessionStatus } from './session-status.js';
import { wire } from './wire.js';

const EXAMPLE = '{ secret: process.env.SESSION_SECRET }';

/** Creates the options of SessionModule, as a class for `forRootAsync({ useClass })` or a provider for `useExisting`. */
export interface SessionOptionsFactory {
  createSessionOptions(): SessionModuleOptions | Promise<SessionModuleOptions>;
}

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<SessionModuleOptions>({
    moduleName: 'Session',
    // Nest shows this text if a module imports the class instead of the result of forRoot().
    optionsInjectionToken: 'SessionModule.forRoot({ secret, isGlobal: true }), once, in the place of SessionModule',
  })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createSessionOptions')
    .setExtras({ isGlobal: false }, (definition, { isGlobal }) => ({ ...definition, global: isGlobal }))
    .build();

/**
 * Options of `SessionModule.forRootAsync`: `useFactory` with `inject`, `useClass` or `useExisting`, `imports`,
 * `isGlobal`, `realm`.
 */
export type SessionModuleAsyncOptions = typeof ASYNC_OPTIONS_TYPE & {
  /** Realm of the options, needed here for AuthGuard.for and InjectTokens. */
  readonly realm?: string;
};

/** Provides a part of the runtime by its class. */
function part<T>(provide: Abstract<T>, pick: (runtime: SessionRuntime) => T): FactoryProvider<T> {
  return { provide, inject: [SessionRuntime], useFactory: pick };
}

const PARTS = [
  part(TokenService, ({ tokens }) => tokens),
  part(SessionService, ({ sessions }) => sessions),
  part(OperatorService, ({ operators }) => operators),
  part(SessionQueries, ({ queries }) => queries),
  part(OnlineQueries, ({ online }) => online),
  part(SightingQueries, ({ sightingQueries }) => sightingQueries),
  part(FailedLoginQueries, ({ failedLoginQueries }) => failedLoginQueries),
  part(StatisticQueries, ({ statisticQueries }) => statisticQueries),
  part(SessionStatus, (runtime) => new SessionStatus(runtime)),
  part(
    SessionCookies,
    ({ verifier, clock, coherence, options: { realm, transport, tokens } }) =>
      new SessionCookies({
        realm,
        settings: transport.cookies,
        sessionIdOf: (token) => verifier.sessionIdOf(token),
        versionOf: (sessionId) => coherence.versionOf(sessionId),
        graceMs: tokens.graceMs,
        clock,
      }),
  ),
  {
    provide: SessionAuthenticator,
    inject: [SessionRuntime, SessionCookies],
    useFactory: ({ verifier, clock, options, sessions }: SessionRuntime, cookies: SessionCookies) =>
      new SessionAuthenticator({
        verifier,
        clock,
        options,
        cookies,
        watch: (...watched) => sessions.watch(...watched),
        strategyName: `session-${randomId()}`,
      }),
  },
];

/** Provides the parts under tokens that name their realm as well. */
function withRealm(module: DynamicModule, realm: string): DynamicModule {
  const named = [...PARTS.map(({ provide }) => provide as Type<unknown>), SessionVerifier].map((part) => ({
    provide: tokenOfRealm(realm, part),
    inject: [part, SessionRuntime],
    useFactory: (instance: unknown, { options }: SessionRuntime) => {
      if (options.realm === realm) return instance;
      throw misused(
        `forRootAsync({ realm: "${realm}" }) got options for the realm "${options.realm}": return the same realm`,
      );
    },
  }));
  return {
    ...module,
    providers: [...(module.providers ?? []), ...named],
    exports: [...(module.exports ?? []), ...named.map(({ provide }) => provide)],
  };
}

/**
 * Adds sessions that can be listed, limited and ended: `SessionModule.forRoot({ secret, policy })`. Provides
 * TokenService, SessionService and OperatorService, and the dependencies of AuthGuard and OnlineUsersService.
 * `isGlobal: true` makes it available to every module. Several with different realms can run isolated in one process.
 */
@Module({
  providers: [
    {
      provide: SessionRuntime,
      inject: [MODULE_OPTIONS_TOKEN, { token: DataSource, optional: true }],
      useFactory: async (options: SessionModuleOptions, source?: DataSource) => {
        await Promise.all(loading);
        return untraced(() => wire(options, source));
      },
    },
    ...PARTS,
    { provide: SESSION_MODULE, useExisting: SessionAuthenticator },
    SessionVerifier,
    { provide: APP_FILTER, useClass: SessionErrorFilter },
  ],
  // The runtime is for the library's own parts; the package does not export it.
  exports: [...PARTS.map(({ provide }) => provide), SESSION_MODULE, SessionVerifier, SessionRuntime],
})
export class SessionModule
  extends ConfigurableModuleClass
  implements OnModuleInit, OnApplicationBootstrap, OnApplicationShutdown
{
  static override forRoot(options: typeof OPTIONS_TYPE): DynamicModule {
    needOptions(options, 'SessionModule.forRoot', EXAMPLE);
    return withRealm(super.forRoot(options), options.realm ?? 'users');
  }

  static override forRootAsync(options: SessionModuleAsyncOptions): DynamicModule {
    needAsyncOptions(options, 'SessionModule.forRootAsync', EXAMPLE);
    const { realm, ...own } = options;
    return realm === undefined ? super.forRootAsync(own) : withRealm(super.forRootAsync(own), realm);
  }

  private readonly logger = new Logger('SessionModule');

  constructor(
    private readonly runtime: SessionRuntime,
    private readonly authenticator: SessionAuthenticator,
    private readonly modules: ModulesContainer,
    private readonly adapterHost: HttpAdapterHost,
    private readonly config: ApplicationConfig,
    private readonly reflector: Reflector,
  ) {
    super();
    registerStrategy(authenticator);
    endStreams(modules, authenticator, runtime.sessions);
  }

  async onModuleInit(): Promise<void> {
    try {
      refuseTwin(this.modules, this.runtime);
      refuseAmbiguousRealm(this.modules, [...PARTS.map(({ provide }) => provide), SESSION_MODULE, SessionVerifier]);
    } catch (error) {
      await this.runtime.database.engine.close();
      throw error;
    }
  }

  async onApplicationBootstrap(): Promise<void> {
    for (const warning of findForeignGuards(this.modules)) this.logger.error(warning);
    const emitter = findEventEmitter(this.modules);
    if (emitter) this.runtime.events.add(emitter);
    reserveRequestProperties(this.adapterHost);
    if (graphqlOptionsOf(this.modules).length > 0) rememberReplies(this.adapterHost);
    try {
      refuseUnguardedRules(this.modules, this.config, this.reflector);
      await untraced(() => this.runtime.start());
    } catch (error) {
      await untraced(() => this.runtime.stop());
      throw error;
    }
  }

  async onApplicationShutdown(): Promise<void> {
    passport.unuse(this.authenticator.strategyName);
    await untraced(() => this.runtime.stop());
  }
}
