export { RpcAuthGuard, type RpcAuthOptions } from './rpc-auth.guard.js';
