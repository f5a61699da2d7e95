import { createServer } from 'node:http';
import { startMariadb } from '../../tools/servers/mariadb.mjs';
import { startPostgres } from '../../tools/servers/postgres.mjs';
import { findRedis, startRedis } from '../../tools/servers/redis.mjs';
import { startRedisCluster } from '../../tools/servers/redis-cluster.mjs';

/** The servers that test files share. */
const SHARED = {
  PostgreSQL: startPostgres,
  MariaDB: startMariadb,
  // Playwright is loaded where it is needed.
  Chromium: async () => (await import('../../tools/servers/chromium.mjs')).startChromium(),
};

/** Starts the servers of a test run when the first test file asks for one (servers.ts), and stops them at its end. */
export class ServerKeeper {
  #servers = [];
  #answers = new Map();
  #http = createServer((request, response) => {
    // One that is kept may be closed here while the next question is on its way.
    response.setHeader('connection', 'close');
    this.#answer(decodeURIComponent(request.url.slice(1))).then(
      (answer) => response.end(JSON.stringify(answer)),
      (error) => response.writeHead(500).end(String(error.message)),
    );
  });

  static async start() {
    const keeper = new ServerKeeper();
    await new Promise((resolve) => keeper.#http.listen(0, '127.0.0.1', resolve));
    return keeper;
  }

  get url() {
    return `http://127.0.0.1:${this.#http.address().port}/`;
  }

  /** @param {string} kind `standalone` or `cluster` */
  async startRedisOfRun(kind) {
    const starts = { standalone: startRedis, cluster: () => startRedisCluster({ masters: 3 }) };
    if (!Object.hasOwn(starts, kind)) throw new Error('TEST_REDIS must be standalone or cluster, or not set.');
    const server = await starts[kind]();
    this.#servers.push(server);
    return server.url;
  }

  async stop() {
    this.#http.close();
    await Promise.all(this.#servers.map((server) => server.stop()));
  }

  #answer(name) {
    if (!this.#answers.has(name)) this.#answers.set(name, this.#start(name));
    return this.#answers.get(name);
  }

  async #start(name) {
    if (name === 'redis-program') return findRedis();
    if (!Object.hasOwn(SHARED, name)) throw new Error(`No test server is called ${name}.`);
    const server = await SHARED[name]();
    this.#servers.push(server);
    console.log(`${name} ${server.version} from ${server.source}`);
    return server.url;
  }
}
