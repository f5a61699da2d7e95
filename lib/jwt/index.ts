export { jwks, jwksController, jwt } from './jwt-mode.js';
export { verifyOffline } from './verify-offline.js';
export type { JsonWebKeySet, JwtAlgorithm, JwtKey } from './jwt-keys.js';
export type { JwtOptions } from './jwt-mode.js';
export type { OfflineOptions, OfflineToken } from './verify-offline.js';
