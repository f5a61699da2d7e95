import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';
import { TcpLane, reset } from './tcp-lane.js';

const unchanged = (chunk: Buffer) => chunk;

interface Connection {
  readonly client: Socket;
  readonly upstream: Socket;
  readonly requests: TcpLane;
  readonly replies: TcpLane;
}

/** Sees what passes on one connection, chunk by chunk, and says what is passed on in its place. */
export interface ConnectionEdits {
  readonly request?: (chunk: Buffer, client: Socket) => Buffer;
  readonly reply?: (chunk: Buffer, client: Socket) => Buffer;
}

/** A TCP proxy in front of a server of 127.0.0.1: a network that a test makes slow, silent or broken, or that changes what passes. */
export class TcpProxy {
  /** Connections taken since the start, without those refused. */
  accepted = 0;
  refused = 0;
  /** Bytes of replies that came and were never passed on: above 0, the server has done its work. */
  swallowed = 0;
  private readonly connections = new Set<Connection>();
  private delayMs = 0;
  private holding: 'nothing' | 'replies' | 'all' = 'nothing';
  private swallowing = false;
  private refusing = false;

  private constructor(
    /** Port to which connections lead from now on. */
    public target: number,
    private readonly server: Server,
    private readonly edit: () => ConnectionEdits,
  ) {
    server.on('connection', (client) => this.accept(client));
  }

  /** @param edit asked once for every connection */
  static async start(target: number, edit: () => ConnectionEdits = () => ({})): Promise<TcpProxy> {
    const proxy = new TcpProxy(target, createServer({ allowHalfOpen: true, noDelay: true }), edit);
    await new Promise<void>((resolve) => proxy.server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Clients that are connected now. */
  get open(): number {
    return [...this.connections].filter(({ client }) => !client.destroyed).length;
  }

  /** Bytes, of both directions, that are held or delayed at the moment. */
  get waiting(): number {
    return [...this.connections].reduce((sum, { requests, replies }) => sum + requests.waiting + replies.waiting, 0);
  }

  /** Passes on what comes from now on so much later, in both directions. */
  delay(ms: number): void {
    this.delayMs = ms;
  }

  /** Passes on nothing, not even that a side closed, until `release`. New connections are taken and as silent. */
  hold(): void {
    this.setHolding('all');
  }

  /** As `hold`, but requests go through. */
  holdReplies(): void {
    this.setHolding('replies');
  }

  release(): void {
    this.setHolding('nothing');
  }

  /** From now on every reply is lost, also on new connections, until `cut`. No such connection gets a reply again. */
  swallowReplies(): void {
    this.swallowing = true;
    for (const { replies } of this.connections) replies.drop();
  }

  /** Resets all connections. What was passed on to the server before, it still gets to read; what was held is lost. */
  cut(): void {
    this.swallowing = false;
    for (const { client, upstream, requests, replies } of this.connections) {
      requests.drop();
      replies.drop();
      reset(client);
      upstream.end();
    }
  }

  /** Whether new connections are reset at once; those that are open stay. */
  refuse(refusing: boolean): void {
    this.refusing = refusing;
  }

  async close(): Promise<void> {
    this.cut();
    for (const { upstream } of this.connections) upstream.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private setHolding(holding: 'nothing' | 'replies' | 'all'): void {
    this.holding = holding;
    for (const { requests, replies } of this.connections) {
      requests.hold(holding === 'all');
      replies.hold(holding !== 'nothing');
    }
  }

  private accept(client: Socket): void {
    if (this.refusing) {
      this.refused++;
      client.on('error', () => undefined).resetAndDestroy();
      return;
    }
    this.accepted++;
    const upstream = connect({ port: this.target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    const delayMs = () => this.delayMs;
    const { request = unchanged, reply = unchanged } = this.edit();
    const requests = new TcpLane(
      client,
      upstream,
      this.holding === 'all',
      delayMs,
      () => undefined,
      (chunk) => request(chunk, client),
    );
    const replies = new TcpLane(
      upstream,
      client,
      this.holding !== 'nothing',
      delayMs,
      (bytes) => (this.swallowed += bytes),
      (chunk) => reply(chunk, client),
    );
    if (this.swallowing) replies.drop();
    const connection = { client, upstream, requests, replies };
    this.connections.add(connection);
    for (const socket of [client, upstream]) {
      socket.on('close', () => {
        if (client.destroyed && upstream.destroyed) this.connections.delete(connection);
      });
    }
  }
}
