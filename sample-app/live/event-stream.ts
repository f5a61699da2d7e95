import { Readable } from 'node:stream';

const HEARTBEAT_MS = 15_000;

/**
 * What one client reads of `text/event-stream`. Comments go out every 15 seconds, so that nothing on the way takes the
 * connection for dead. For a client that does not read, no more than a comment and one event is kept.
 */
export class EventStream extends Readable {
  private readonly heartbeat = setInterval(() => this.beat(), HEARTBEAT_MS);
  private isWanted = false;
  private isDone = false;

  /** @param onDone called once, when it has ended or its client has gone away */
  constructor(private readonly onDone: () => void) {
    super({ highWaterMark: 1024 });
    // The head of the answer goes out with the first byte of its body.
    this.push(': open\n\n');
  }

  /** Sends the last event, and ends the stream. Does nothing where it has ended. */
  finish(event: string, data: object): void {
    if (!this.isDone) this.push(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    this.close();
  }

  /** Ends the stream. Does nothing where it has ended. */
  close(): void {
    if (this.isDone) return;
    this.push(null);
    this.done();
  }

  override _read(): void {
    this.isWanted = true;
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.done();
    callback(error);
  }

  private beat(): void {
    if (!this.isWanted) return;
    this.isWanted = false;
    this.push(': still here\n\n');
  }

  private done(): void {
    if (this.isDone) return;
    this.isDone = true;
    clearInterval(this.heartbeat);
    this.onDone();
  }
}
