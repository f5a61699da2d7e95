export { SessionIoAdapter } from './io-adapter.js';
export { SessionWsAdapter } from './ws-adapter.js';
export type { SocketAdapterOptions } from './session-adapter.js';
export { onSessionChange, sessionOf } from './connection.js';
