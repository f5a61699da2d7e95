import { type AddressInfo, type Socket, connect, createServer } from 'node:net';

/** A way to Redis on which every reply after a false one is that to an earlier question. */
export class MisleadingProxy {
  /** Connections that have been taken. */
  accepted = 0;
  private reply: string | null = null;
  private readonly sockets = new Set<Socket>();
  private readonly server;

  private constructor(target: number) {
    this.server = createServer((client) => {
      this.accepted++;
      const upstream = connect(target, '127.0.0.1');
      client.on('data', (chunk: Buffer) => {
        if (this.reply !== null && /\$3\r\nget\r\n/i.test(chunk.toString('latin1'))) {
          client.write(this.reply);
          this.reply = null;
        }
        upstream.write(chunk);
      });
      upstream.pipe(client);
      for (const [one, other] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        this.sockets.add(one);
        one.on('error', () => undefined);
        one.on('close', () => {
          this.sockets.delete(one);
          other.destroy();
        });
      }
    });
  }

  static async start(target: number): Promise<MisleadingProxy> {
    const proxy = new MisleadingProxy(target);
    await new Promise<void>((resolve) => proxy.server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Whether the false reply was given. */
  get hasMisled(): boolean {
    return this.reply === null;
  }

  /** Answers the next GET of anybody with this value; the true reply follows it. */
  mislead(value: string): void {
    this.reply = `$${Buffer.byteLength(value)}\r\n${value}\r\n`;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
