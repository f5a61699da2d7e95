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
  | { readonly kind: 'multi'; readonly max?: number; readonly overflow: Overflow };

/** All that the environment decides, checked. */
export interface SampleConfig {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly database: DatabaseConfig;
  /** The first one signs. Null: the application makes one, see session-secret.ts. */
  readonly sessionSecrets: readonly string[] | null;
  readonly policy: PolicyConfig;
  readonly accessTtl: Duration;
  readonly maxAge: Duration;
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
