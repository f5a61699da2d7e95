import {
  createSessionClient,
  memoryStorage,
  webStorage,
  type SessionClient,
  type SessionEndNotice,
  type TokenStorage,
} from '../client/index.js';
import type { PageConfig } from './contract.js';

/** The session of the operator. */
export function createConsoleSession(
  { urls, cookies }: PageConfig,
  onEnd: (end: SessionEndNotice) => void,
): SessionClient {
  return createSessionClient({ refreshUrl: urls.refresh, cookies, onEnd, storage: ownStorage() });
}

/** A place of its own, so that it never meets the session that the application keeps for the same origin. */
function ownStorage(): TokenStorage {
  try {
    return webStorage(localStorage, 'session-console.tokens');
  } catch {
    // A browser that forbids storage keeps the tokens until the page is left.
    return memoryStorage();
  }
}
