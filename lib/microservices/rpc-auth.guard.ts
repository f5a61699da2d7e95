import { type ExecutionContext, HttpException, Injectable } from '@nestjs/common';
import { RpcException } from '@nestjs/microservices';
import { ErrorReport } from '../nest/http/answers.js';
import { AuthGuard, PROPERTY_DEPS_METADATA } from '../nest/http/auth.guard.js';
import { ChannelRequest } from '../nest/http/credential.js';
import type { GuardedRequest } from '../nest/http/identity.js';
import { needRealm } from '../nest/http/realms.js';
import { DroppedEvent, messageOf } from '../nest/http/session-error.filter.js';
import { messageToken } from './message-token.js';
import { needNames } from './names.js';

/** Options of RpcAuthGuard.from. */
export interface RpcAuthOptions {
  /** Field of the payload that has the token, for transports without headers such as TCP and Redis. Default: none. */
  readonly field?: string;
  /** Realm of the SessionModule, if the module has several. */
  readonly realm?: string;
}

/** Metadata of Nest's message handlers, and its value for events. */
const [HANDLER_TYPE, PATTERN, EVENT] = ['microservices:handler_type', 'microservices:pattern', 2];

/** True for a message that has no answer. */
export function isEvent(context: ExecutionContext): boolean {
  return Reflect.getMetadata(HANDLER_TYPE, context.getHandler()) === EVENT;
}

/**
 * Admits messages of microservices with a valid access token: in the headers of NATS, Kafka, RabbitMQ and MQTT 5, or the
 * metadata of gRPC, as `authorization: Bearer ...`. For other transports name a field of the payload:
 * `RpcAuthGuard.from({ field: 'token' })`. Guards HTTP as AuthGuard does, so that one guard can protect a hybrid application.
 *
 * A refusal is an RpcException with `{ status: 'error', message, errorCode }`. An event has no answer: it is dropped, and a
 * warning logged. Renews no token, unless RpcRenewalInterceptor adds it to answers: the client's next request over HTTP does.
 */
@Injectable()
export class RpcAuthGuard extends AuthGuard {
  private static readonly made = new Map<string, typeof RpcAuthGuard>();
  protected static readonly field: string | undefined;
  private readonly reports = new ErrorReport();

  /** Returns the guard with these options: the same class for the same ones. @throws SessionError CONFIGURATION_INVALID */
  static from(options: RpcAuthOptions): typeof RpcAuthGuard {
    const { field, realm } = needNames(options, ['field', 'realm'], 'RpcAuthGuard.from');
    const key = JSON.stringify([field, realm]);
    let made = this.made.get(key);
    if (!made) {
      made = class extends RpcAuthGuard {
        protected static override readonly field = field;
      };
      if (realm !== undefined) {
        const deps: unknown = Reflect.getMetadata(PROPERTY_DEPS_METADATA, AuthGuard.for(realm));
        Reflect.defineMetadata(PROPERTY_DEPS_METADATA, deps, made);
      }
      this.made.set(key, made);
    }
    return made;
  }

  static override for(realm: string): typeof RpcAuthGuard {
    return RpcAuthGuard.from({ realm: needRealm(realm, 'RpcAuthGuard.for') });
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getType() !== 'rpc') return super.canActivate(context);
    try {
      return await super.canActivate(context);
    } catch (error) {
      if (!(error instanceof HttpException)) throw error;
      const answer = messageOf(error);
      if (isEvent(context)) {
        this.reports.dropped(
          JSON.stringify(Reflect.getMetadata(PATTERN, context.getHandler())),
          String(answer.errorCode ?? answer.message),
        );
        if (error.getStatus() < 500) throw new DroppedEvent(answer, error.getStatus());
      }
      throw new RpcException(answer);
    }
  }

  override getRequest(context: ExecutionContext): GuardedRequest {
    if (context.getType() !== 'rpc') return super.getRequest(context);
    const rpc = context.switchToRpc();
    const { field } = this.constructor as typeof RpcAuthGuard;
    return new ChannelRequest(messageToken(rpc.getData(), rpc.getContext(), field), undefined, null);
  }
}
