import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { type Observable, concatMap } from 'rxjs';
import type { RenewedToken } from '../model/verification.js';
import { ChannelRequest } from '../nest/http/credential.js';
import { AuthenticatedSession, identityOf, requestOfMessage } from '../nest/http/identity.js';
import { CHANNEL_RULES } from '../nest/http/route-rules.js';
import { SessionAuthenticator } from '../nest/http/session-authenticator.js';
import { needNames } from './names.js';
import { isEvent } from './rpc-auth.guard.js';

/** Options of RpcRenewalInterceptor. */
export interface RpcRenewalOptions {
  /** Field of answers that brings the renewed token. Default: `renewed`. */
  readonly field?: string;
}

/**
 * Renews tokens of clients that send messages alone: `@UseInterceptors(RpcRenewalInterceptor)` beside RpcAuthGuard, or
 * `{ provide: APP_INTERCEPTOR, useClass: RpcRenewalInterceptor }`. Near the end of a sliding token, an answer gets one more
 * field, `renewed: { accessToken, expiresIn }`, with the lifetime in seconds; `new RpcRenewalInterceptor({ field: 'token' })`
 * names another. Of a stream of answers, the first that can carry it does.
 *
 * Only plain objects carry it, and only those without a field of that name. Text, arrays, instances of classes, events and
 * refusals stay as they are, and leave the renewal to the next message. Does nothing over HTTP, where a header has the token.
 */
export class RpcRenewalInterceptor implements NestInterceptor {
  private readonly field: string;

  /** @throws SessionError CONFIGURATION_INVALID */
  constructor(options: RpcRenewalOptions = {}) {
    const { field = 'renewed' } = needNames(options, ['field'], 'RpcRenewalInterceptor');
    this.field = field;
  }

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType() !== 'rpc' || isEvent(context)) return next.handle();
    let isDone = false;
    return next.handle().pipe(
      concatMap(async (answer: unknown) => {
        if (isDone || !isPlain(answer) || Object.hasOwn(answer, this.field)) return answer;
        isDone = true;
        const renewed = await renew(context);
        if (!renewed) return answer;
        const { accessToken, expiresIn } = renewed;
        return { ...answer, [this.field]: { accessToken, expiresIn } };
      }),
    );
  }
}

/** Returns the successor of a message's token if one is due. Not before the answer, so that no renewal is lost with an error. */
async function renew(context: ExecutionContext): Promise<RenewedToken | null> {
  const request = requestOfMessage(context);
  const { by: authenticator, renewed = null } = identityOf(context) ?? {};
  if (!request || renewed || !(authenticator instanceof SessionAuthenticator)) return renewed;
  const credential = authenticator.credentialOf(request, CHANNEL_RULES);
  // What memory vouches for is not near its end.
  if (credential.token === null || authenticator.fromMemory(credential.token)) return null;
  const again = new ChannelRequest(credential, request.ip, () => undefined);
  const outcome = await authenticator.authenticate(again, CHANNEL_RULES);
  return outcome instanceof AuthenticatedSession ? outcome.renewed : null;
}

/** Instances of classes are not plain: interceptors further out may go by their class, as ClassSerializerInterceptor does. */
function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
