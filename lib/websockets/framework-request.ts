import type { IncomingMessage } from 'node:http';
import type { INestApplication } from '@nestjs/common';
import type { GuardedRequest } from '../nest/http/identity.js';

type RequestClass = new (...args: readonly unknown[]) => GuardedRequest;

/**
 * Returns a handshake as the application's HTTP framework sees a request, whose settings for proxies decide its address, host
 * and protocol.
 */
export function frameworkRequest(app: INestApplication, raw: IncomingMessage): GuardedRequest {
  const { headers, socket } = raw;
  const adapter = app.getHttpAdapter();
  const instance = adapter.getInstance() as Record<PropertyKey, unknown>;
  if (adapter.getType() === 'express') {
    const own = { headers, socket, connection: socket, method: 'GET' };
    return Object.create(instance.request as object, Object.getOwnPropertyDescriptors(own)) as GuardedRequest;
  }
  const symbol = Object.getOwnPropertySymbols(instance).find(({ description }) => description === 'fastify.Request');
  if (symbol) return new (instance[symbol] as RequestClass)('', {}, raw, {}, null, {});
  return { headers, socket, method: 'GET', ip: socket.remoteAddress };
}
