import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { invalidOption } from '../model/session-error.js';

/** A URL, a client of the application, or options of ioredis for a new client. */
export type RedisSource = string | Redis | Cluster | RedisOptions;

/** A client, and whether it is the library's to close. */
export interface RedisConnection {
  readonly client: Redis | Cluster;
  readonly isOwn: boolean;
}

const CONNECT_MS = 2000;
/** A connection that has commands under way and hears nothing for this long is taken for dead. */
const SILENT_SOCKET_MS = 1000;
const MAX_RETRY_MS = 500;
/** A timer of ioredis that keeps the process for so long after the end, where there was no connection to close. */
const DISCONNECT_MS = 200;

/**
 * Settings under which a lost Redis never makes a caller wait: commands fail at once without a connection, and are never
 * sent a second time, which would execute them twice where only the reply was lost.
 */
const OWN_OPTIONS = {
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  connectTimeout: CONNECT_MS,
  socketTimeout: SILENT_SOCKET_MS,
  disconnectTimeout: DISCONNECT_MS,
  retryStrategy: retryDelay,
  // A master that a failover has made a replica; the connection finds the new one.
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

/** @throws SessionError CONFIGURATION_INVALID, which does not repeat a URL: it may hold a password */
export function openConnection(source: RedisSource): RedisConnection {
  if (typeof source === 'string') return { client: openUrl(source), isOwn: true };
  if (isClient(source)) {
    refuseReplicas(source);
    return { client: source, isOwn: false };
  }
  if (typeof source !== 'object' || source === null) {
    throw invalidOption('redis', `must be given a URL, a client of ioredis or its options; URLs are ${URL_FORMS}`);
  }
  const client = new Redis({ ...source, ...OWN_OPTIONS, ...lazily });
  refuseReplicas(client);
  return { client, isOwn: true };
}

/** A connection of its own for messages, with the settings of the client. Of a cluster, to one of its nodes. */
export function openSubscriber(client: Redis | Cluster): Redis | null {
  const options = { ...OWN_OPTIONS, keyPrefix: '', autoResubscribe: false, ...lazily };
  if (!isCluster(client)) return client.duplicate(options);
  const nodes = client.nodes('master');
  const node = nodes[Math.floor(Math.random() * nodes.length)];
  // Which node to use next is decided when this one is gone.
  return node ? node.duplicate({ ...options, retryStrategy: () => null }) : null;
}

export function isCluster(client: Redis | Cluster): client is Cluster {
  return client.isCluster;
}

/** They connect when they are told to. */
const lazily = { lazyConnect: true } as const;

function openUrl(text: string): Redis | Cluster {
  const [, scheme = '', rest = ''] = /^([a-z+]+):\/\/(.+)$/.exec(text) ?? [];
  if (!isDecodable(text)) throw badUrl();
  if (scheme === 'redis' || scheme === 'rediss') {
    const url = URL.canParse(text) ? new URL(text) : null;
    // What stands behind a question mark would take the place of our own options.
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

/** True if every percent sign begins an escape of UTF-8, as in a password. */
function isDecodable(text: string): boolean {
  try {
    return decodeURIComponent(text) !== '';
  } catch {
    return false;
  }
}

function badUrl(): Error {
  return invalidOption('redis', `must be given a URL of one of these forms: ${URL_FORMS}`);
}

/** Not by instanceof: the application may have another copy, or another version, of ioredis. */
function isClient(source: Exclude<RedisSource, string>): source is Redis | Cluster {
  return typeof (source as Redis | undefined)?.duplicate === 'function';
}

/** A replica may be behind by any time; freshness is about when the database was read, and a replica would not tell. */
function refuseReplicas(client: Redis | Cluster): void {
  const { scaleReads, role, readOnly } = client.options as {
    readonly scaleReads?: unknown;
    readonly role?: unknown;
    readonly readOnly?: unknown;
  };
  const reads = scaleReads === undefined || scaleReads === 'master';
  if (!reads || role === 'slave' || readOnly === true) {
    throw invalidOption('redis', 'must read from masters: leave scaleReads, role and readOnly out');
  }
}

function retryDelay(times: number): number {
  return Math.min(25 * 2 ** Math.min(times, 10), MAX_RETRY_MS) + Math.random() * 100;
}
