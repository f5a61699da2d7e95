import type { Duration, Overflow } from 'nestjs-latchkey';

/** Where users and sessions are kept. */
export type DatabaseConfig =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'memory' }
  | { readonly kind: 'server'; readonly type: 'postgres' | 'mysql' | 'mariadb'; readonly url: string };

/** How many logins a user may have. */
export type PolicyConfig =
  | { readonly kind: 'single' }
  | { readonly kind: 'per-device-type' }
  /** One of each group of device types. */
  | { readonly kind: 'types'; readonly types: Readonly<Record<string, readonly string[]>> }
  | { readonly kind: 'per-device-type+multi'; readonly max: number; readonly overflow: Overflow }
  | { readonly kind: 'multi'; readonly max?: number; readonly overflow: Overflow };

/** How tokens live, and what renews them. */
export type TokenConfig =
  | ({ readonly mode: 'refresh' } & PairConfig)
  | {
      readonly mode: 'sliding';
      readonly ttl: Duration;
      readonly renewWithin: Duration;
      readonly grace: Duration;
      readonly maxAge: Duration;
    }
  | ({
      readonly mode: 'jwt';
      /** Ed25519 keys in PEM, the first of which signs. Null: the application makes one, see jwt-key.ts. */
      readonly privateKeys: readonly string[] | null;
    } & PairConfig);

/** Lives of an access token and a refresh token. */
interface PairConfig {
  readonly access: Duration;
  readonly refresh: Duration;
  /** `0s` for none. */
  readonly grace: Duration;
  readonly maxAge: Duration;
}

/** How tokens travel. */
export interface TransportConfig {
  readonly kind: 'bearer' | 'cookie' | 'both';
  /** Origins of other sites that may act with cookies. */
  readonly trustedOrigins: readonly string[];
}

/** All that the environment decides, checked. */
export interface SampleConfig {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly database: DatabaseConfig;
  /** As the session library takes it, which checks it; null for none. */
  readonly redisUrl: string | null;
  /** The first one signs. Null: the application makes one, see session-secret.ts. */
  readonly sessionSecrets: readonly string[] | null;
  readonly policy: PolicyConfig;
  readonly tokens: TokenConfig;
  readonly transport: TransportConfig;
  /** False: a session that nobody uses lives on. */
  readonly idleTimeout: Duration | false;
  /** What a replaced login leaves of its session data. */
  readonly onReplace: 'clear' | 'keep';
  readonly outageGrace: Duration;
  readonly nearCache: 'auto' | 'off';
  readonly httpAdapter: 'express' | 'fastify';
  /** Adds user1 to userN. */
  readonly seedUsers: number;
  /** Binary logarithm of scrypt's N, for passwords that are hashed from now on. */
  readonly scryptCost: number;
}

/** Injects the SampleConfig. */
export const SAMPLE_CONFIG = Symbol('SampleConfig');
