import { ConfigError } from './config/config-error.js';
import { inVariables } from './config/variable-names.js';

const LISTEN_PROBLEMS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'PORT is in use by another program. Set another one, or 0 for any that is free.',
  EACCES: 'PORT may not be used by this user. Set one from 1024 on, or 0 for any that is free.',
  EADDRNOTAVAIL: 'HOST is not an address of this machine. Set 127.0.0.1, 0.0.0.0 for all, or one that it has.',
  ENOTFOUND: 'HOST is not known. Set 127.0.0.1, 0.0.0.0 for all addresses, or one of this machine.',
  EAI_AGAIN: 'HOST is not known. Set 127.0.0.1, 0.0.0.0 for all addresses, or one of this machine.',
};

/** Why the application does not start: one line for what whoever starts it can change, the whole error for all else. */
export function startProblem(error: unknown): unknown {
  if (error instanceof ConfigError) return error.message;
  const { code, message, syscall } = (error ?? {}) as { code?: string; message: string; syscall?: string };
  // Of the library, which may not be loaded yet.
  if (code === 'CONFIGURATION_INVALID') return inVariables(message);
  const isListening = syscall === 'listen' || syscall === 'getaddrinfo';
  return (isListening && LISTEN_PROBLEMS[code ?? '']) || error;
}
