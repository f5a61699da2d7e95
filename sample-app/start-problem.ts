import { ConfigError } from './config/config-error.js';
import { inVariables } from './config/variable-names.js';
import { unusableDatabase } from './database/unusable-database.js';

const LISTEN_PROBLEMS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'PORT is in use by another program. Set another one, or 0 for any that is free.',
  EACCES: 'PORT may not be used by this user. Set one from 1024 on, or 0 for any that is free.',
  EADDRNOTAVAIL: 'HOST is not an address of this machine. Set 127.0.0.1, 0.0.0.0 for all, or one that it has.',
  ENOTFOUND: 'HOST cannot be resolved. Set 127.0.0.1, 0.0.0.0 for all addresses, or one of this machine.',
  EAI_AGAIN: 'HOST cannot be resolved. Set 127.0.0.1, 0.0.0.0 for all addresses, or one of this machine.',
};

/** Why the application does not start: one line for what whoever starts it can change, the whole error for all else. */
export function startProblem(error: unknown): unknown {
  if (error instanceof ConfigError) return error.message;
  const { code, message, name, syscall, cause } = (error ?? {}) as NodeJS.ErrnoException;
  // Of the library, which may not be loaded yet.
  if (code === 'CONFIGURATION_INVALID') return inVariables(message);
  if (code === 'SESSION_STORE_UNAVAILABLE' && cause) return startProblem(cause);
  // Of a driver: the disk is full, or the file was damaged, after the database was opened.
  if (code?.startsWith?.('SQLITE_') || name === 'QueryFailedError') return unusableDatabase(error).message;
  const isListening = syscall === 'listen' || syscall === 'getaddrinfo';
  return (isListening && LISTEN_PROBLEMS[code ?? '']) || error;
}
