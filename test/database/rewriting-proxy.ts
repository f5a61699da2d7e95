import { type AddressInfo, type Socket, connect, createServer } from 'node:net';

/** A way to a server on which one text that a client sends becomes another of the same length. */
export class RewritingProxy {
  /** Null: everything goes through as it is. */
  private change: readonly [from: string, to: string] | null = null;
  /** How often it was changed. */
  rewritten = 0;
  private readonly sockets = new Set<Socket>();
  private readonly server;

  private constructor(target: number) {
    this.server = createServer((client) => {
      const upstream = connect(target, '127.0.0.1');
      client.on('data', (chunk: Buffer) => void upstream.write(this.rewrite(chunk)));
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

  static async start(target: number): Promise<RewritingProxy> {
    const proxy = new RewritingProxy(target);
    await new Promise<void>((resolve) => proxy.server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  set(change: readonly [from: string, to: string] | null): void {
    this.change = change;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private rewrite(chunk: Buffer): Buffer {
    if (!this.change) return chunk;
    const text = chunk.toString('latin1');
    const changed = text.replaceAll(...this.change);
    if (changed !== text) this.rewritten++;
    return Buffer.from(changed, 'latin1');
  }
}
