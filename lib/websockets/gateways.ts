import type { CanActivate, ExceptionFilter, ExecutionContext, Type } from '@nestjs/common';
import { type ModulesContainer, MetadataScanner, type Reflector } from '@nestjs/core';
import { RulesOfRoutes } from '../nest/http/route-rules.js';

/** Metadata of Nest, whose constants have another place in each version. */
const GATEWAY = 'websockets:is_gateway';
const GATEWAY_OPTIONS = 'websockets:gateway_options';
const PORT = 'port';
const MESSAGE = 'websockets:message_mapping';
const [GUARDS, FILTERS] = ['__guards__', '__exceptionFilters__'];

interface Gateway {
  readonly port: number;
  readonly path: unknown;
  readonly namespace: unknown;
  /** Has something for sockets without a token. */
  readonly isOpen: boolean;
  /** Has something for those with a bad token as well. */
  readonly ignoresInvalid: boolean;
}

/** Where a socket connects to. `namespace` only with socket.io. */
export interface SocketPlace {
  readonly port: number;
  readonly path: unknown;
  readonly namespace?: string;
}

/** The gateways of an application. */
export class Gateways {
  private readonly gateways: Gateway[] = [];
  private readonly rules: RulesOfRoutes;

  /**
   * Adds a guard and a filter to each gateway: Nest 11 applies no global ones to messages. They come first, so that an
   * application's own have the last word. The classes may belong to several applications.
   */
  constructor(modules: ModulesContainer, reflector: Reflector, guard: CanActivate, filter: ExceptionFilter) {
    this.rules = new RulesOfRoutes(reflector);
    for (const { providers } of modules.values()) {
      for (const { metatype } of providers.values()) {
        if (typeof metatype !== 'function' || !Reflect.hasMetadata(GATEWAY, metatype)) continue;
        const type = metatype as Type<object>;
        prepend(GUARDS, type, guard);
        prepend(FILTERS, type, filter);
        const { path, namespace } = (Reflect.getMetadata(GATEWAY_OPTIONS, type) ?? {}) as Partial<Gateway>;
        const port = (Reflect.getMetadata(PORT, type) as number | undefined) ?? 0;
        this.gateways.push({ port, path, namespace, ...this.openness(type) });
      }
    }
  }

  /**
   * True if a socket may connect there without a session.
   * @param isBad the token is refused; where it is missing, any handler with `@Public()` or `@OptionalAuth()` will do
   */
  admitAnonymous({ port, path, namespace = '/' }: SocketPlace, isBad: boolean): boolean {
    const here = this.gateways.filter((one) => one.port === port && one.path === path);
    const named = here.filter((one) => isNamed(one.namespace, namespace));
    const found = named.length > 0 ? named : here.filter((one) => typeof one.namespace === 'function');
    return found.some(({ isOpen, ignoresInvalid }) => (isBad ? ignoresInvalid : isOpen));
  }

  private openness(type: Type<object>): Pick<Gateway, 'isOpen' | 'ignoresInvalid'> {
    const prototype = type.prototype as Record<string, () => unknown>;
    const names = new MetadataScanner().getAllMethodNames(prototype);
    const handlers = names.map((name) => prototype[name]!).filter((one) => Reflect.hasMetadata(MESSAGE, one));
    // One that only sends has no handlers.
    const rules = (handlers.length > 0 ? handlers : [type]).map((handler) => {
      const context = { getHandler: () => handler, getClass: () => type };
      return this.rules.of(context as unknown as ExecutionContext);
    });
    return {
      isOpen: rules.some(({ isPublic, optional }) => isPublic || optional !== null),
      ignoresInvalid: rules.some(({ optional }) => optional?.ignoreInvalid === true),
    };
  }
}

function prepend(key: string, type: object, added: object): void {
  const present = (Reflect.getMetadata(key, type) ?? []) as readonly unknown[];
  if (!present.includes(added)) Reflect.defineMetadata(key, [added, ...present], type);
}

function isNamed(namespace: unknown, name: string): boolean {
  if (namespace instanceof RegExp) return namespace.test(name);
  const own = typeof namespace === 'string' ? namespace : '';
  return typeof namespace !== 'function' && `/${own.replace(/^\//, '')}` === name;
}
