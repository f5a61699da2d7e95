import { Logger } from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';
import type { LifecycleEvent, LifecycleEvents } from '../../model/session-event.js';
import { describeError } from '../../model/session-error.js';

type EventType = LifecycleEvent['type'];
type EventOf<E, T extends EventType> = E extends { readonly type: infer U }
  ? T extends U
    ? E & { readonly type: T }
    : never
  : never;

/**
 * A LifecycleEvent with the realm of its SessionModule, as listeners receive it. For one type:
 * `@OnEvent('session.ended') onEnd(event: PublishedEvent<'session.ended'>)`.
 */
export type PublishedEvent<T extends EventType = EventType> = T extends EventType
  ? EventOf<LifecycleEvent, T> & { readonly realm: string }
  : never;

/** Receives lifecycle events. Errors and rejections are logged and undo nothing. */
export type LifecycleListener = (event: PublishedEvent) => unknown;

/** Publishes events in a later turn of the event loop, so that slow or failing listeners do not affect the caller. */
export class LifecyclePublisher implements LifecycleEvents {
  private readonly logger = new Logger('SessionModule');
  private readonly listeners: LifecycleListener[] = [];

  /** @param first called synchronously before all listeners; must not throw */
  constructor(
    private readonly realm: string,
    private readonly first: LifecycleEvents,
  ) {}

  add(listener: LifecycleListener): void {
    this.listeners.push(listener);
  }

  emit(event: LifecycleEvent): void {
    this.first.emit(event);
    // Frozen, because listeners share it.
    const published = Object.freeze({ ...event, realm: this.realm }) as PublishedEvent;
    for (const listener of this.listeners) setImmediate(() => void this.tell(listener, published));
  }

  private async tell(listener: LifecycleListener, event: PublishedEvent): Promise<void> {
    try {
      await listener(event);
    } catch (error) {
      this.logger.error(`A listener to ${event.type} failed: ${describeError(error)}`);
    }
  }
}

interface Emitter {
  emitAsync(event: string, value: unknown): Promise<unknown>;
}

/** Forwards events to the EventEmitter2 of @nestjs/event-emitter, if any. Not imported: the package is optional. */
export function findEventEmitter(modules: ModulesContainer): LifecycleListener | null {
  for (const { providers } of modules.values()) {
    for (const [token, { instance }] of providers) {
      // `emit` would leave a listener's rejection unhandled, which ends the process.
      if (isEventEmitter2(token) && isEmitter(instance)) return (event) => instance.emitAsync(event.type, event);
    }
  }
  return null;
}

/** Recognized by its property of the same name, because many classes are called EventEmitter. */
function isEventEmitter2(token: unknown): boolean {
  return typeof token === 'function' && (token as { EventEmitter2?: unknown }).EventEmitter2 === token;
}

function isEmitter(value: unknown): value is Emitter {
  return typeof (value as Partial<Emitter> | null)?.emitAsync === 'function';
}
