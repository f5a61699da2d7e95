import { Redis } from 'ioredis';
import pg from 'pg';

const REDIS_READS = new Set(['get', 'mget', 'hgetall', 'hmget']);

/**
 * Counts, in this process and until stopped, the statements on the table of sessions in PostgreSQL and the reads of Redis. The
 * node's own housekeeping uses other tables and commands, but for its sweeps, its writing of activity and its refreshing of
 * copies that grow old.
 */
export function countReads() {
  const { query } = pg.Client.prototype;
  const { sendCommand } = Redis.prototype;
  const counter = {
    statements: 0,
    commands: 0,
    stop() {
      pg.Client.prototype.query = query;
      Redis.prototype.sendCommand = sendCommand;
    },
  };
  pg.Client.prototype.query = function (config, ...rest) {
    if ((config?.text ?? config)?.includes?.('"latchkey_session"')) counter.statements++;
    return query.call(this, config, ...rest);
  };
  Redis.prototype.sendCommand = function (command, ...rest) {
    if (REDIS_READS.has(command.name)) counter.commands++;
    return sendCommand.call(this, command, ...rest);
  };
  return counter;
}
