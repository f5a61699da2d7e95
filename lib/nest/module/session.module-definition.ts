import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { SessionModuleOptions } from './session-options.js';

/** Makes the options of SessionModule: a class for `forRootAsync({ useClass })`, or a provider for `useExisting`. */
export interface SessionOptionsFactory {
  createSessionOptions(): SessionModuleOptions | Promise<SessionModuleOptions>;
}

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<SessionModuleOptions>({
    moduleName: 'Session',
    // What Nest misses where a module imports the class instead of what forRoot() returned.
    optionsInjectionToken: 'SessionModule.forRoot({ secret, isGlobal: true }), once, in the place of SessionModule',
  })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createSessionOptions')
    .setExtras({ isGlobal: false }, (definition, { isGlobal }) => ({ ...definition, global: isGlobal }))
    .build();

/** Options of `SessionModule.forRootAsync`: `useFactory` with `inject`, `useClass` or `useExisting`, `imports`, `isGlobal`. */
export type SessionModuleAsyncOptions = typeof ASYNC_OPTIONS_TYPE;
