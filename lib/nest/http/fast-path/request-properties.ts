import type { EventEmitter } from 'node:events';
import type { HttpAdapterHost } from '@nestjs/core';

const prepared = new WeakSet<EventEmitter>();

/**
 * Has the requests of an Express application come with the properties that AuthGuard sets, still undefined. Express gives
 * each request another prototype, and V8 makes a new hidden class for every property that is added to such an object later:
 * the two together would cost more than the verification does (bench/verify.mjs).
 */
export function reserveRequestProperties({ httpAdapter }: HttpAdapterHost): void {
  // There is no adapter where there is no HTTP.
  if ((httpAdapter as typeof httpAdapter | undefined)?.getType() !== 'express') return;
  const server = httpAdapter.getHttpServer() as EventEmitter;
  if (prepared.has(server)) return;
  prepared.add(server);
  server.prependListener('request', (request: { user?: undefined; latchkey?: undefined }) => {
    request.user = undefined;
    request.latchkey = undefined;
  });
}
