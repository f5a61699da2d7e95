// Ends this process, as `kill -9` does, at one of the statements that it sends to its database.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** Makes a function that tells of a statement if it is the one: by how to die once it is answered. @param point DeathPoint of nodes.ts */
function watcher({ statement, after, turn = 1, isDone = false }) {
  const [pattern, earlier] = [new RegExp(statement), after && new RegExp(after)];
  const begun = new WeakSet();
  let left = turn;
  const die = () => process.kill(process.pid, 'SIGKILL');
  return (connection, text) => {
    if (earlier?.test(text)) begun.add(connection);
    if (!pattern.test(text) || (earlier && !begun.has(connection)) || --left > 0) return null;
    if (!isDone) die();
    return die;
  };
}

function watchClient(prototype, watch) {
  const { query } = prototype;
  prototype.query = function (config, ...args) {
    const die = watch(this, config.text ?? config.sql ?? config);
    if (!die) return query.call(this, config, ...args);
    if (typeof args.at(-1) === 'function') return query.call(this, config, ...args.slice(0, -1), die);
    return query.call(this, config, ...args).then(die);
  };
}

const watched = {
  postgres: (watch) => watchClient(require('pg').Client.prototype, watch),
  mariadb: (watch) => watchClient(Object.getPrototypeOf(require('mysql2').Connection.prototype), watch),
  'better-sqlite3': (watch) => {
    const { prototype } = require('libsql');
    const { exec, prepare } = prototype;
    prototype.exec = function (text) {
      const die = watch(this, text);
      const result = exec.call(this, text);
      die?.();
      return result;
    };
    prototype.prepare = function (text) {
      const statement = prepare.call(this, text);
      for (const name of ['all', 'run']) {
        const run = statement[name];
        statement[name] = (...args) => {
          const die = watch(this, text);
          const result = run.apply(statement, args);
          die?.();
          return result;
        };
      }
      return statement;
    };
  },
};

export function dieAt(point, { type }) {
  watched[type](watcher(point));
}
