import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import libsql from 'libsql';
import { DataSource } from 'typeorm';
import { startMariadb } from '../../tools/servers/mariadb.mjs';
import { startPostgres } from '../../tools/servers/postgres.mjs';
import { startRedis } from '../../tools/servers/redis.mjs';

/** @typedef {'sqlite' | 'postgres' | 'mariadb'} Kind */

const SERVERS = {
  postgres: { type: 'postgres', start: startPostgres },
  mariadb: { type: 'mysql', start: startMariadb },
};

/** As a server with 4 GB would have by the advice of PostgreSQL's manual: a quarter. By default both have 128 MB. */
const CACHE_MB = 1024;

/** Empty databases for the benchmarks. Each server is started when it is first asked for. */
export class Databases {
  #servers = new Map();
  #redis = [];
  #directories = [];

  /** @param {Kind} kind @returns {Promise<import('typeorm').DataSourceOptions>} the options of a new, empty database */
  async create(kind) {
    if (kind === 'sqlite') {
      const directory = mkdtempSync(join(tmpdir(), 'session-bench-'));
      this.#directories.push(directory);
      return { type: 'better-sqlite3', driver: libsql, database: join(directory, 'sessions.sqlite'), enableWAL: true };
    }
    const { type, start } = SERVERS[kind];
    if (!this.#servers.has(kind)) this.#servers.set(kind, start({ cacheMb: CACHE_MB }));
    const server = await this.#servers.get(kind);
    const name = `bench_${randomBytes(6).toString('hex')}`;
    const admin = await new DataSource({ type, url: server.url }).initialize();
    await admin.query(`CREATE DATABASE ${name}`);
    await admin.destroy();
    const url = new URL(server.url);
    url.pathname = `/${name}`;
    return { type, url: url.href };
  }

  /** @param {string[]} [args] more settings of the server @returns {Promise<string>} the URL of a new Redis of its own */
  async redis(args = []) {
    const server = startRedis({ args });
    this.#redis.push(server);
    return (await server).url;
  }

  /** Ends the servers and removes all data. */
  async close() {
    const started = await Promise.allSettled([...this.#servers.values(), ...this.#redis]);
    await Promise.all(started.map((server) => server.value?.stop()));
    for (const directory of this.#directories) rmSync(directory, { recursive: true, force: true });
  }
}

/** @param {Kind} kind */
export const engineName = (kind) => ({ sqlite: 'SQLite', postgres: 'PostgreSQL', mariadb: 'MariaDB' })[kind];
