import {
  type DevicePolicy,
  type SessionModuleOptions,
  type TimingOptions,
  type TokenMode,
  type TokenTransport,
  accessAndRefresh,
  allOf,
  bearer,
  both,
  cookies,
  multiDevice,
  oneDevicePerType,
  singleDevice,
  sliding,
} from 'nestjs-latchkey';
import { jwt } from 'nestjs-latchkey/jwt';
import { redis } from 'nestjs-latchkey/redis';
import { partOf, shorter } from './config/durations.js';
import type { JwtKey } from './config/jwt-key.js';
import type { PolicyConfig, SampleConfig, TokenConfig, TransportConfig } from './config/sample-config.js';

/** Issuer and audience of JWTs. */
const JWT_NAME = 'latchkey-sample';

/** What the session library signs with. */
export interface SampleKeys {
  /** The first one signs. */
  readonly secrets: readonly string[];
  /** The first one signs. Empty where no JWTs are made. */
  readonly jwtKeys: readonly JwtKey[];
}

/** What the configuration of the application means to the session library. @throws SessionError CONFIGURATION_INVALID */
export function sessionOptions(config: SampleConfig, keys: SampleKeys) {
  return {
    secret: keys.secrets,
    policy: devicePolicy(config.policy),
    tokens: tokenMode(config.tokens, keys.jwtKeys),
    transport: transport(config.transport),
    idleTimeout: config.idleTimeout,
    onReplace: config.onReplace,
    timing: timing(config),
    ...(config.redisUrl !== null && { redis: redis(config.redisUrl) }),
    ...(config.nearCache === 'off' && { nearCache: false as const }),
  } satisfies SessionModuleOptions;
}

/** @throws SessionError CONFIGURATION_INVALID for lives that contradict each other */
function tokenMode(tokens: TokenConfig, keys: readonly JwtKey[]): TokenMode {
  switch (tokens.mode) {
    case 'refresh': {
      const { access, refresh, grace, maxAge } = tokens;
      return accessAndRefresh({ access, refresh, grace, maxAge });
    }
    case 'sliding': {
      const { ttl, renewWithin, grace, maxAge } = tokens;
      return sliding({ ttl, renewWithin, grace, maxAge });
    }
    case 'jwt': {
      const { access, refresh, grace, maxAge } = tokens;
      return jwt({ keys, issuer: JWT_NAME, audience: JWT_NAME, access, refresh, grace, maxAge });
    }
  }
}

/** @throws SessionError CONFIGURATION_INVALID for what is no origin */
function transport({ kind, trustedOrigins }: TransportConfig): TokenTransport {
  switch (kind) {
    case 'bearer':
      return bearer();
    case 'cookie':
      return cookies({ trustedOrigins });
    case 'both':
      return both({ trustedOrigins });
  }
}

function devicePolicy(policy: PolicyConfig): DevicePolicy {
  switch (policy.kind) {
    case 'single':
      return singleDevice();
    case 'per-device-type':
      return oneDevicePerType();
    case 'types':
      return oneDevicePerType({ types: policy.types });
    case 'per-device-type+multi':
      return allOf(oneDevicePerType(), multiDevice({ max: policy.max, overflow: policy.overflow }));
    case 'multi':
      return multiDevice({ max: policy.max, overflow: policy.overflow });
  }
}

/** Uses are written, and idle sessions looked for, as often as a short idle timeout needs it. */
function timing({ outageGrace, idleTimeout }: SampleConfig): TimingOptions {
  if (idleTimeout === false) return { outageGrace };
  return { outageGrace, activityFlush: shorter('10s', partOf(idleTimeout, 3)), sweep: shorter('30s', idleTimeout) };
}
