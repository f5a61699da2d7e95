import { type DynamicModule, Module } from '@nestjs/common';
import { SessionModule as PlainSessionModule, type SessionModuleOptions as Options } from '../../lib/index.js';
import { redis } from '../../lib/redis/index.js';

/** With TEST_REDIS, modules use the Redis of the run, unless a test gives one or has each verification ask the database. */
export * from '../../lib/index.js';

const url = process.env.TEST_SUITE_REDIS_URL;
if (!url) throw new Error('TEST_SUITE_REDIS_URL is not set; run the tests with npm test');

const withRedis = (options: Options): Options => {
  // What is no options object is for the module to refuse.
  if (typeof options !== 'object' || options === null || 'redis' in options || options.nearCache === false)
    return options;
  return { ...options, redis: redis(url) };
};

type Async = Parameters<typeof PlainSessionModule.forRootAsync>[0];

@Module({})
export class SessionModule extends PlainSessionModule {
  static override forRoot(options: Parameters<typeof PlainSessionModule.forRoot>[0]): DynamicModule {
    return PlainSessionModule.forRoot(withRedis(options) as typeof options);
  }

  static override forRootAsync(options: Async): DynamicModule {
    // What is no options object is for the module to refuse.
    const useFactory = (options as Async | undefined)?.useFactory;
    if (typeof useFactory !== 'function') return PlainSessionModule.forRootAsync(options);
    return PlainSessionModule.forRootAsync({
      ...options,
      useFactory: async (...args: unknown[]) => withRedis(await useFactory(...(args as never[]))),
    });
  }
}
