import type { CallHandler, ExecutionContext, NestInterceptor, Type } from '@nestjs/common';
import { MetadataScanner, type ModulesContainer } from '@nestjs/core';
import { Observable } from 'rxjs';
import type { SessionService } from '../../services/session-service.js';
import { identityOf } from '../http/identity.js';
import { SSE } from '../http/route-rules.js';
import type { SessionAuthenticator } from '../http/session-authenticator.js';

const INTERCEPTORS = '__interceptors__';

/** By the SessionModule that verified an identity. */
const services = new WeakMap<object, SessionService>();

/** Ends a stream of server-sent events with the session that opened it. */
class StreamEnd implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { session, by } = identityOf(context) ?? {};
    const sessions = by && services.get(by);
    if (!session || !sessions) return next.handle();
    return new Observable((stream) => {
      const end = async () => {
        // By itself a session expires; the rest has a reason.
        const found = await sessions.explainEnd(session.id).catch(() => null);
        const { reason = 'SESSION_EXPIRED', at, replacement } = found ?? {};
        const replacedBy = replacement && { ...replacement, at: new Date(replacement.at).toISOString() };
        const endedAt = at === undefined ? undefined : new Date(at).toISOString();
        stream.next({
          type: 'session-ended',
          data: { errorCode: reason, endedAt, replacedBy: replacedBy ?? undefined },
        });
        stream.complete();
      };
      stream.add(sessions.watch(session.id, () => void end()));
      stream.add(next.handle().subscribe(stream));
    });
  }
}

const streamEnd = new StreamEnd();

/**
 * Adds the interceptor to the handlers with `@Sse()`, and to no others. Before the application starts, since Nest makes its
 * routes first.
 */
export function endStreams(
  modules: ModulesContainer,
  authenticator: SessionAuthenticator,
  sessions: SessionService,
): void {
  services.set(authenticator, sessions);
  for (const { controllers } of modules.values()) {
    for (const { metatype } of controllers.values()) {
      const prototype = (metatype as Type<object>).prototype as Record<string, object>;
      for (const name of new MetadataScanner().getAllMethodNames(prototype)) {
        const handler = prototype[name]!;
        if (!Reflect.hasMetadata(SSE, handler)) continue;
        const present = (Reflect.getMetadata(INTERCEPTORS, handler) ?? []) as readonly unknown[];
        if (present.includes(streamEnd)) continue;
        Reflect.defineMetadata(INTERCEPTORS, [...present, streamEnd], handler);
      }
    }
  }
}
