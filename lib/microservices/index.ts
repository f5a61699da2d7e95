export { RpcAuthGuard, type RpcAuthOptions } from './rpc-auth.guard.js';
export { RpcRenewalInterceptor, type RpcRenewalOptions } from './rpc-renewal.interceptor.js';
