import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
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

/** Connections that answer the rows of a statement. Drivers are loaded where they are needed. */
const CONNECT = {
  PostgreSQL: async (url) => {
    const { default: pg } = await import('pg');
    const client = new pg.Client(url);
    client.on('error', () => undefined);
    await client.connect();
    return { query: async (statement) => (await client.query(statement)).rows, end: () => client.end() };
  },
  MariaDB: async (url) => {
    const { default: mysql } = await import('mysql2/promise');
    const connection = await mysql.createConnection(url);
    connection.connection.on('error', () => undefined);
    return { query: async (statement) => (await connection.query(statement))[0], end: () => connection.end() };
  },
};

/** Starts the servers of a test run when the first test file asks for one (servers.ts), and stops them at its end. */
export class ServerKeeper {
  #servers = [];
  #answers = new Map();
  /** One to each server, which all test files share. */
  #connections = new Map();
  #http = createServer((request, response) => {
    // One that is kept may be closed here while the next question is on its way.
    response.setHeader('connection', 'close');
    const name = decodeURIComponent(request.url.slice(1));
    (request.method === 'POST' ? json(request).then((asked) => this.#query(name, asked)) : this.#answer(name)).then(
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
    await Promise.all([...this.#connections.values()].map(async (connection) => (await connection).end()));
    await Promise.all(this.#servers.map((server) => server.stop()));
  }

  #answer(name) {
    if (!this.#answers.has(name)) this.#answers.set(name, this.#start(name));
    return this.#answers.get(name);
  }

  /** Runs statements one after the other, or reads all rows of the tables that a statement names in a database. */
  async #query(name, { statements, database, tables }) {
    const server = await this.#answer(name);
    if (tables !== undefined) return this.#rowsOf(await CONNECT[name](new URL(`/${database}`, server).href), tables);
    if (!this.#connections.has(name)) this.#connections.set(name, CONNECT[name](server));
    const connection = await this.#connections.get(name);
    const answers = [];
    for (const statement of statements) answers.push(await connection.query(statement));
    return answers;
  }

  async #rowsOf(connection, tables) {
    try {
      const rows = [];
      for (const table of await connection.query(tables)) {
        rows.push(await connection.query(`SELECT * FROM ${table.name}`));
      }
      return rows;
    } finally {
      await connection.end();
    }
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
