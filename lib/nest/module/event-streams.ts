import type { CallHandler, ExecutionContext, NestInterceptor, Type } from '@nestjs/common';
import { MetadataScanner, type ModulesContainer, Reflector } from '@nestjs/core';
import { Observable } from 'rxjs';
import type { UserSession } from '../../model/session.js';
import type { SessionService } from '../../services/session-service.js';
import { identityOf } from '../http/identity.js';
import { RulesOfRoutes, SSE } from '../http/route-rules.js';
import { messageOf } from '../http/session-error.filter.js';
import type { SessionAuthenticator } from '../http/session-authenticator.js';

const INTERCEPTORS = '__interceptors__';

interface StreamParts {
  readonly authenticator: SessionAuthenticator;
  readonly sessions: SessionService;
}

/** By the SessionModule that verified an identity. */
const services = new WeakMap<object, StreamParts>();

/** Ends a stream of server-sent events with the session that opened it, or once its route would refuse the session. */
class StreamEnd implements NestInterceptor {
  private readonly rules = new RulesOfRoutes(new Reflector());

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { session, by } = identityOf(context) ?? {};
    const parts = by && services.get(by);
    if (!session || !parts) return next.handle();
    const { authenticator, sessions } = parts;
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
      const judge = (changed: UserSession) => {
        const refusal = authenticator.refusalOf(this.rules.of(context), changed);
        if (!refusal) return;
        const { status: _, ...data } = messageOf(refusal.exception);
        stream.next({ type: 'refused', data });
        stream.complete();
      };
      stream.add(sessions.watch(session.id, () => void end(), judge));
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
  services.set(authenticator, { authenticator, sessions });
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
