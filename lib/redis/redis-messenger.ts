import type { Cluster, Redis } from 'ioredis';
import { untraced } from '../async/periodic-task.js';
import type { MessageHandlers, Messenger } from '../cluster/shared-cache.js';
import type { RedisCommands, RedisKeys } from './redis-commands.js';
import { openSubscriber } from './redis-connection.js';

/** A node sends this to itself, to test that messages arrive. */
const HEARTBEAT = 'heartbeat';
const REOPEN_MS = 250;

/** PUBLISH and SUBSCRIBE. Since a half-open connection looks like a working one, the node pings itself, and reconnects on a loss. */
export class RedisMessenger implements Messenger {
  private subscriber: Redis | null = null;
  private handlers: MessageHandlers | null = null;
  private connected = false;
  private heardAt = 0;
  private timer: NodeJS.Timeout | undefined;
  private reopening: NodeJS.Timeout | undefined;

  constructor(
    private readonly parts: {
      readonly client: Redis | Cluster;
      readonly commands: RedisCommands;
      readonly keys: RedisKeys;
      readonly nodeId: string;
      /** Time within which a loss of messages must be detected. Milliseconds. */
      readonly heartbeatMs: number;
    },
  ) {}

  get isConnected(): boolean {
    return this.connected;
  }

  start(handlers: MessageHandlers): void {
    this.handlers = handlers;
    this.open();
    this.timer = setInterval(() => untraced(() => this.beat()), this.parts.heartbeatMs / 2);
    this.timer.unref();
  }

  stop(): void {
    this.handlers = null;
    clearInterval(this.timer);
    clearTimeout(this.reopening);
    this.subscriber?.disconnect();
    this.subscriber = null;
    this.connected = false;
  }

  async send(text: string): Promise<void> {
    await this.parts.commands.publish(this.parts.keys.notices, text).catch(() => undefined);
  }

  async answer(nodeId: string, text: string): Promise<void> {
    await this.parts.commands.publish(this.parts.keys.answers(nodeId), text).catch(() => undefined);
  }

  private open(): void {
    if (!this.handlers) return;
    const subscriber = openSubscriber(this.parts.client);
    this.subscriber = subscriber;
    if (!subscriber) return this.reopenLater();
    const own = this.parts.keys.answers(this.parts.nodeId);
    // The close of the connection that follows is reported instead.
    subscriber.on('error', () => undefined);
    subscriber.on('message', (channel: string, text: string) => untraced(() => this.receive(channel === own, text)));
    subscriber.on('ready', () => {
      subscriber.subscribe(this.parts.keys.notices, own).then(
        () => this.setConnected(subscriber, true),
        () => subscriber.disconnect(true),
      );
    });
    subscriber.on('close', () => this.setConnected(subscriber, false));
    subscriber.on('end', () => {
      if (this.subscriber === subscriber) this.reopenLater();
    });
    subscriber.connect().catch(() => undefined);
  }

  private reopenLater(): void {
    clearTimeout(this.reopening);
    this.reopening = setTimeout(() => untraced(() => this.open()), REOPEN_MS);
    this.reopening.unref();
  }

  private receive(isAnswer: boolean, text: string): void {
    this.heardAt = performance.now();
    if (text === HEARTBEAT) return;
    if (isAnswer) this.handlers?.onAnswer(text);
    else this.handlers?.onMessage(text);
  }

  private setConnected(subscriber: Redis, isConnected: boolean): void {
    if (this.subscriber !== subscriber || this.connected === isConnected) return;
    this.connected = isConnected;
    this.heardAt = performance.now();
    this.handlers?.onConnection(isConnected);
  }

  private beat(): void {
    if (this.connected && performance.now() - this.heardAt > this.parts.heartbeatMs) {
      this.setConnected(this.subscriber!, false);
      this.subscriber!.disconnect(true);
    }
    void this.answer(this.parts.nodeId, HEARTBEAT);
  }
}
