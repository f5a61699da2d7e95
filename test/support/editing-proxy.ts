import { type AddressInfo, type Socket, connect, createServer } from 'node:net';

/** Sees what passes on one connection, chunk by chunk, and says what is passed on in its place. */
export interface ConnectionEdits {
  readonly request?: (chunk: Buffer, client: Socket) => Buffer;
  readonly reply?: (chunk: Buffer, client: Socket) => Buffer;
}

/** A TCP proxy in front of a server of 127.0.0.1 that changes what passes. */
export class EditingProxy {
  /** Connections that have been taken. */
  accepted = 0;
  private readonly sockets = new Set<Socket>();
  private readonly server;

  /** @param edit asked once for every connection */
  private constructor(target: number, edit: () => ConnectionEdits) {
    this.server = createServer((client) => {
      this.accepted++;
      const upstream = connect(target, '127.0.0.1');
      const { request, reply } = edit();
      client.on('data', (chunk: Buffer) => void upstream.write(request?.(chunk, client) ?? chunk));
      upstream.on('data', (chunk: Buffer) => void client.write(reply?.(chunk, client) ?? chunk));
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

  static async start(target: number, edit: () => ConnectionEdits): Promise<EditingProxy> {
    const proxy = new EditingProxy(target, edit);
    await new Promise<void>((resolve) => proxy.server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
