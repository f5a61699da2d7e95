export { createSessionClient } from './session-client.js';
export { memoryStorage, webStorage } from './token-storage.js';
export type { RenewalHeaders, SessionClientOptions } from './client-options.js';
export type { SessionEndNotice } from './end-notice.js';
export type { SessionClient } from './session-client.js';
export type { SessionTokens } from './session-tokens.js';
export type { TabLocks } from './tab-lock.js';
export type { TokenStorage, WebStorage } from './token-storage.js';
