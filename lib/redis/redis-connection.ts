import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { invalidOption } from '../model/session-error.js';

/** A URL, the application's client, or options of ioredis for a new client. */
export type RedisSource = string | Redis | Cluster | RedisOptions;

export interface RedisConnection {
  readonly client: Redis | Cluster;
  readonly isOwn: boolean;
}

const MAX_RETRY_MS = 500;

/** Never block a caller: commands fail at once without a connection, and are not retried, which could execute them twice. */
const OWN_OPTIONS = {
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  connectTimeout: 2000,
  // A connection with commands in flight and no data for this long is dead.
  socketTimeout: 1000,
  // A timer of ioredis that keeps the process alive after the end without a connection.
  disconnectTimeout: 200,
  retryStrategy: retryDelay,
  // After a failover, the old master is a replica; reconnecting finds the new master.
  reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
} satisfies RedisOptions;

const CLUSTER_OPTIONS = {
  enableOfflineQueue: false,
  enableAutoPipelining: true,
  scaleReads: 'master',
  maxRedirections: 4,
  retryDelayOnFailover: 50,
  retryDelayOnClusterDown: 50,
  retryDelayOnTryAgain: 20,
  clusterRetryStrategy: retryDelay,
} as const;

const URL_FORMS =
  'redis://HOST:PORT, rediss://HOST:PORT, redis+cluster://HOST:PORT,HOST:PORT or redis+sentinel://HOST:PORT,HOST:PORT/NAME';

/** @throws SessionError CONFIGURATION_INVALID, without the URL, which may contain a password */
export function openConnection(source: RedisSource): RedisConnection {
  if (typeof source === 'string') return { client: openUrl(source), isOwn: true };
  if (typeof source !== 'object' || source === null) {
    throw invalidOption('redis', `must be a URL, an ioredis client or ioredis options; URL forms: ${URL_FORMS}`);
  }
  const isOwn = !isClient(source);
  const client = isOwn ? new Redis({ ...source, ...OWN_OPTIONS, ...lazily }) : source;
  refuseReplicas(client);
  return { client, isOwn };
}

/** Opens a connection for messages with the settings of the client; for a cluster, to one of its nodes. */
export function openSubscriber(client: Redis | Cluster): Redis | null {
  const options = { ...OWN_OPTIONS, keyPrefix: '', autoResubscribe: false, ...lazily };
  if (!isCluster(client)) return client.duplicate(options);
  const nodes = client.nodes('master');
  const node = nodes[Math.floor(Math.random() * nodes.length)];
  // The next node is picked once this one is gone.
  return node ? node.duplicate({ ...options, retryStrategy: () => null }) : null;
}

function isCluster(client: Redis | Cluster): client is Cluster {
  return client.isCluster;
}

const lazily = { lazyConnect: true } as const;

function openUrl(text: string): Redis | Cluster {
  const [, scheme = '', rest = ''] = /^([a-z+]+):\/\/(.+)$/.exec(text) ?? [];
  if (!isDecodable(text)) throw badUrl();
  if (scheme === 'redis' || scheme === 'rediss') {
    const url = URL.canParse(text) ? new URL(text) : null;
    // Query parameters would override our own options.
    if (!url?.hostname || url.search !== '' || !/^\/?\d*$/.test(url.pathname)) throw badUrl();
    return new Redis(text, { ...OWN_OPTIONS, ...lazily });
  }
  const { credentials, nodes, path } = readAuthority(rest);
  if ((scheme === 'redis+cluster' || scheme === 'rediss+cluster') && path === '') {
    const tls = scheme === 'rediss+cluster' ? { tls: {} } : {};
    const redisOptions = { ...OWN_OPTIONS, ...credentials, ...tls };
    return new Cluster(nodes, { ...CLUSTER_OPTIONS, redisOptions, ...lazily });
  }
  if (scheme === 'redis+sentinel' && /^[\w.-]+$/.test(path)) {
    return new Redis({ ...OWN_OPTIONS, ...credentials, sentinels: nodes, name: path, ...lazily });
  }
  throw badUrl();
}

function readAuthority(rest: string) {
  const [, authority = '', path = ''] = /^([^/]*)\/?(.*)$/s.exec(rest)!;
  const at = authority.lastIndexOf('@');
  const [username = '', password = ''] =
    at < 0 ? [] : authority.slice(0, at).split(/:(.*)/s, 2).map(decodeURIComponent);
  const nodes = authority
    .slice(at + 1)
    .split(',')
    .map((node) => {
      const [, host, port] = /^(\[[\da-f:]+\]|[^:[\]]+):(\d{1,5})$/i.exec(node) ?? [];
      if (host === undefined || Number(port) < 1 || Number(port) > 65_535) throw badUrl();
      return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
    });
  const credentials = { ...(username !== '' && { username }), ...(password !== '' && { password }) };
  return { credentials, nodes, path };
}

/** True if every percent sign begins a UTF-8 escape, as in a password. */
function isDecodable(text: string): boolean {
  try {
    return decodeURIComponent(text) !== '';
  } catch {
    return false;
  }
}

function badUrl(): Error {
  return invalidOption('redis', `must be a URL of one of these forms: ${URL_FORMS}`);
}

/** No instanceof: the application may use another copy or version of ioredis. */
function isClient(source: Exclude<RedisSource, string>): source is Redis | Cluster {
  return typeof (source as Redis | undefined)?.duplicate === 'function';
}

/** Replicas may lag without saying so, and freshness depends on when the database was read. */
function refuseReplicas(client: Redis | Cluster): void {
  const { scaleReads = 'master', role, readOnly } = client.options as Readonly<Record<string, unknown>>;
  if (scaleReads !== 'master' || role === 'slave' || readOnly === true) {
    throw invalidOption('redis', 'must read from masters: remove scaleReads, role and readOnly');
  }
}

function retryDelay(times: number): number {
  return Math.min(25 * 2 ** Math.min(times, 10), MAX_RETRY_MS) + Math.random() * 100;
}
