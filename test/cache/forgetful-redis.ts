import { Redis } from 'ioredis';
import { type RedisServer, startRedis } from '../support/redis.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';

export type Snapshot = ReadonlyMap<string, string>;

/** Long enough to be there as long as a test lasts. */
const TTL_MS = 300_000;

/** A Redis that loses what it held, brings it back from earlier, fails over to a stale replica and back, or is full. */
export class ForgetfulRedis {
  /** Which of the two is in front: 0 for the one that was master first. */
  private front: 0 | 1 = 0;
  private readonly clients: readonly Redis[];

  private constructor(
    private readonly servers: readonly [RedisServer, RedisServer],
    private readonly replication: TcpProxy,
    private readonly board: TcpProxy,
  ) {
    this.clients = servers.map(({ url }) => new Redis(url));
  }

  static async start(): Promise<ForgetfulRedis> {
    // A replica gets its copy at once, and not with those that may come in the next seconds.
    const args = ['--repl-diskless-sync', 'yes', '--repl-diskless-sync-delay', '0'];
    const servers = await Promise.all([startRedis({ args }), startRedis({ args })]);
    const [replication, board] = await Promise.all([TcpProxy.start(servers[0].port), TcpProxy.start(servers[0].port)]);
    return new ForgetfulRedis(servers, replication, board);
  }

  /** Where the nodes find it, whoever is in front. */
  get url(): string {
    return `redis://127.0.0.1:${this.board.port}`;
  }

  private lead(front: 0 | 1): void {
    this.front = front;
    this.board.target = this.servers[front].port;
    this.board.cut();
  }

  private get client(): Redis {
    return this.clients[this.front]!;
  }

  async read(keys: readonly string[]): Promise<Snapshot> {
    const values = keys.length > 0 ? await this.client.mget([...keys]) : [];
    return new Map(keys.flatMap((key, index) => (values[index] === null ? [] : [[key, values[index]!]])));
  }

  async drop(keys: readonly string[]): Promise<void> {
    if (keys.length > 0) await this.client.del([...keys]);
  }

  /** Has keys hold what they held then; one that was not there is left as it is. */
  async restore(snapshot: Snapshot, keys: readonly string[]): Promise<void> {
    const work = this.client.pipeline();
    for (const key of keys) if (snapshot.has(key)) work.set(key, snapshot.get(key)!, 'PX', TTL_MS);
    await work.exec();
  }

  async flush(): Promise<void> {
    await this.client.flushall();
  }

  async fill(isFull: boolean): Promise<void> {
    await this.client.config('SET', 'maxmemory', isFull ? '1' : '0');
  }

  /** Messages between the nodes are lost until they are connected anew. */
  async cutMessages(): Promise<void> {
    await this.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  }

  /** Gets a replica that has all, and then hears of nothing more. */
  async leaveBehind(): Promise<void> {
    const [master, replica] = this.clients as [Redis, Redis];
    this.replication.release();
    await replica.replicaof('127.0.0.1', this.replication.port);
    await until(async () => /master_link_status:up/.test(await replica.info('replication')));
    await until(async () => (await master.dbsize()) === (await replica.dbsize()));
    this.replication.hold();
  }

  /** The replica takes the place of the master, as it is. */
  async promote(): Promise<void> {
    await this.clients[1]!.replicaof('NO', 'ONE');
    this.lead(1);
  }

  /** The first master is back in front, with all that it had. */
  failBack(): void {
    this.lead(0);
  }

  get isFailedOver(): boolean {
    return this.front === 1;
  }

  async stop(): Promise<void> {
    for (const client of this.clients) client.disconnect();
    this.replication.release();
    await Promise.all([this.board.close(), this.replication.close()]);
    await Promise.all(this.servers.map((server) => server.stop()));
  }
}
