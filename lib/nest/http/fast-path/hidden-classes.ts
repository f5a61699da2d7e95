import type { EventEmitter } from 'node:events';
import type { HttpAdapterHost } from '@nestjs/core';
import type { UserSession } from '../../../model/session.js';
import type { CurrentSessionUser } from '../identity.js';

/*
 * V8 finds a property fast in objects of few hidden classes, and slowly where objects differ in how they were made. Express
 * gives each request another prototype, and a property that is added to such an object later makes a hidden class of its own:
 * the two that AuthGuard sets would cost more than the verification does (bench/verify.mjs). Their names are text and no
 * symbols, since an object with as many properties as a request becomes a dictionary if another one has anything but a
 * name. For the same reason KnownToken is a class, and users are made of entries.
 */

const prepared = new WeakSet<EventEmitter>();

/** Gives each request of an Express application the properties that AuthGuard sets, still undefined. */
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

/** Makes the user of a session. Users with the same claims are of one hidden class. */
export function userOf({ claims, userId }: UserSession): CurrentSessionUser {
  return Object.freeze(Object.fromEntries([...Object.entries(claims), ['userId', userId]])) as CurrentSessionUser;
}
