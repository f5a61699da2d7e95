import type { ModulesContainer } from '@nestjs/core';
import type { LifecycleListener } from './lifecycle-publisher.js';

/** The part of EventEmitter2 that is used here. */
interface Emitter {
  emitAsync(event: string, value: unknown): Promise<unknown>;
}

/**
 * A listener that passes events on to the EventEmitter2 of @nestjs/event-emitter, under their type; null if the application
 * has none. The package is optional, so its class is looked for among the providers and not imported.
 */
export function findEventEmitter(modules: ModulesContainer): LifecycleListener | null {
  for (const { providers } of modules.values()) {
    for (const [token, { instance }] of providers) {
      // emit would leave the rejection of a listener to nobody, which ends the process.
      if (isEventEmitter2(token) && isEmitter(instance)) return (event) => instance.emitAsync(event.type, event);
    }
  }
  return null;
}

/** Its name is EventEmitter, as that of many others; that it holds itself under this name is peculiar to it. */
function isEventEmitter2(token: unknown): boolean {
  return typeof token === 'function' && (token as { EventEmitter2?: unknown }).EventEmitter2 === token;
}

function isEmitter(value: unknown): value is Emitter {
  return typeof (value as Partial<Emitter> | null)?.emitAsync === 'function';
}
