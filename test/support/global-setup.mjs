import { ServerKeeper } from './server-keeper.mjs';

/** Lets tests ask for servers, none of which is started before one does, and starts the Redis that the whole run is to use. */
export default async function globalSetup() {
  const keeper = await ServerKeeper.start();
  globalThis.testServers = keeper;
  process.env.TEST_SERVERS_URL = keeper.url;
  const { TEST_REDIS: kind, TEST_TYPEORM: typeorm } = process.env;
  if (kind) process.env.TEST_SUITE_REDIS_URL = await keeper.startRedisOfRun(kind);
  if (kind || typeorm) console.log(`\nRedis in all tests: ${kind ?? 'none'}\nTypeORM: ${typeorm ?? '1'}`);
}
