import type { EventEmitter } from 'node:events';
import type { Writable } from 'node:stream';
import type { DataSource } from 'typeorm';
import type { TransactionLimits } from './dialect.js';

export interface DriverConnection extends EventEmitter {
  readonly pipeline?: boolean;
  readonly connection?: { readonly stream?: Pick<Writable, 'cork' | 'uncork' | 'destroy' | 'once'> };
  readonly stream?: Pick<Writable, 'destroy' | 'once'>;
  destroy?(): void;
}

interface MysqlConnection extends DriverConnection {
  query(statement: string, done: (error: unknown) => void): void;
  destroy(): void;
}

/**
 * Listens to all connections opened from now on: an `error` event without a listener ends the process, and `pg` has
 * none until TypeORM listens. @param onLost called for each @returns a function that cuts all connections
 */
export function watchConnections(
  dataSource: DataSource,
  limits: TransactionLimits,
  onLost: () => void = () => undefined,
): () => void {
  const drivers = dataSource.driver as unknown as {
    postgres?: { readonly Pool: new (options: object) => EventEmitter };
    mysql?: { createPool(options: object): EventEmitter };
  };
  const open = new Set<DriverConnection>();
  const watch = (connection: DriverConnection) => {
    open.add(connection);
    connection.on('error', onLost);
    const socket = connection.connection?.stream ?? connection.stream;
    socket?.once('close', () => open.delete(connection));
  };
  if (drivers.postgres) {
    const { Pool } = drivers.postgres;
    class WatchedPool extends Pool {
      constructor(options: object) {
        super(options);
        this.on('connect', watch);
      }
    }
    drivers.postgres = Object.create(drivers.postgres, { Pool: { value: WatchedPool } }) as typeof drivers.postgres;
  } else if (drivers.mysql) {
    const { mysql } = drivers;
    const createPool = (options: object) =>
      mysql.createPool(options).on('connection', (connection: MysqlConnection) => {
        watch(connection);
        limitSession(connection, limits);
      });
    drivers.mysql = Object.create(mysql, { createPool: { value: createPool } }) as typeof mysql;
  }
  return () => open.forEach(cutConnection);
}

/**
 * MySQL waits 50 s for a row and a day for a table by default: as long, a transaction whose client has gone would keep
 * its locks. Only MariaDB, which alone reads the second half, can end idle transactions.
 */
function limitSession(connection: MysqlConnection, { lockWaitMs, idleMs }: TransactionLimits): void {
  const wait = Math.ceil(lockWaitMs / 1000);
  const idle = Math.ceil(idleMs / 1000);
  connection.query(
    `SET SESSION innodb_lock_wait_timeout = ${wait}, lock_wait_timeout = ${wait}
      /*M!100300 , idle_transaction_timeout = ${idle}, idle_write_transaction_timeout = ${idle} */`,
    (error) => error && connection.destroy(),
  );
}

/** Drops the socket under a connection. `mysql2` tells a waiting command of an error of the socket, but not of its own `destroy`. */
export function cutConnection(connection: DriverConnection | undefined): void {
  if (connection?.connection?.stream) connection.connection.stream.destroy();
  else if (connection?.stream) connection.stream.destroy(new Error('The statement timed out.'));
  else connection?.destroy?.();
}
