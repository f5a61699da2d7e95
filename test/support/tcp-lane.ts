import type { Socket } from 'node:net';

/** Resets a connection. One that is closing already is only closed: Node would never give its socket back. */
export function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

/** One direction of a connection. What was read is passed on in order, or not at all from some byte on. */
export class TcpLane {
  private readonly queue: { readonly due: number; readonly bytes: number; readonly pass: () => unknown }[] = [];
  private timer: NodeJS.Timeout | undefined;
  private dropping = false;

  /**
   * @param held whether it holds from the start
   * @param delayMs asked for all that comes
   * @param onDrop told how many bytes are lost
   * @param edit what is passed on in the place of a chunk
   */
  constructor(
    from: Socket,
    to: Socket,
    private held: boolean,
    private readonly delayMs: () => number,
    private readonly onDrop: (bytes: number) => void,
    edit: (chunk: Buffer) => Buffer,
  ) {
    from.on('data', (chunk: Buffer) => {
      const passed = edit(chunk);
      this.add(passed.length, () => to.write(passed));
    });
    from.on('end', () => this.add(0, () => to.end()));
    from.on('error', () => this.add(0, () => reset(to)));
  }

  /** Bytes that are held or delayed. */
  get waiting(): number {
    return this.queue.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Stops passing on, or goes on with all that came meanwhile. */
  hold(held: boolean): void {
    this.held = held;
    this.pump();
  }

  /** Passes on nothing any more, not even that the sender closed. */
  drop(): void {
    this.dropping = true;
    this.onDrop(this.waiting);
    this.queue.length = 0;
    clearTimeout(this.timer);
  }

  private add(bytes: number, pass: () => unknown): void {
    if (this.dropping) {
      this.onDrop(bytes);
      return;
    }
    const due = Math.max(performance.now() + this.delayMs(), this.queue.at(-1)?.due ?? 0);
    this.queue.push({ due, bytes, pass });
    this.pump();
  }

  private pump(): void {
    clearTimeout(this.timer);
    while (!this.held && this.queue.length > 0) {
      const wait = this.queue[0]!.due - performance.now();
      if (wait > 0) {
        this.timer = setTimeout(() => this.pump(), Math.ceil(wait));
        return;
      }
      this.queue.shift()!.pass();
    }
  }
}
