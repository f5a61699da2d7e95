import { Logger } from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';
import type { LifecycleEvent, LifecycleEvents } from '../../model/lifecycle-event.js';
import { describeError } from '../../model/session-error.js';

type EventType = LifecycleEvent['type'];
type EventOf<E, T extends EventType> = E extends { readonly type: infer U }
  ? T extends U
    ? E & { readonly type: T }
    : never
  : never;

/**
 * A LifecycleEvent as listeners are given it: with the realm of the SessionModule that it is about. For a listener to one
 * type: `@OnEvent('session.ended') onEnd(event: PublishedEvent<'session.ended'>)`.
 */
export type PublishedEvent<T extends EventType = EventType> = T extends EventType
  ? EventOf<LifecycleEvent, T> & { readonly realm: string }
  : never;

/** Is told of what happened to sessions. What it throws or rejects with is logged, and undoes nothing. */
export type LifecycleListener = (event: PublishedEvent) => unknown;

/** Tells listeners of events in a turn of its own, so that neither their slowness nor their errors reach the caller. */
export class LifecyclePublisher implements LifecycleEvents {
  private readonly logger = new Logger('SessionModule');
  private readonly listeners: LifecycleListener[] = [];

  /** @param first is told in the same turn, before all listeners; must not throw */
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
