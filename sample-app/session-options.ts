import {
  type DevicePolicy,
  type SessionModuleOptions,
  fixed,
  multiDevice,
  oneDevicePerType,
  singleDevice,
} from 'nestjs-latchkey';
import type { PolicyConfig, SampleConfig } from './config/sample-config.js';

/** What the configuration of the application means to the session library. */
export function sessionOptions(config: SampleConfig, secret: readonly string[]): SessionModuleOptions {
  return {
    secret,
    policy: devicePolicy(config.policy),
    tokens: fixed({ ttl: config.accessTtl, maxAge: config.maxAge }),
    timing: { outageGrace: config.outageGrace },
    ...(config.nearCache === 'off' && { nearCache: false as const }),
  };
}

function devicePolicy(policy: PolicyConfig): DevicePolicy {
  switch (policy.kind) {
    case 'single':
      return singleDevice();
    case 'per-device-type':
      return oneDevicePerType();
    case 'multi':
      return multiDevice({ max: policy.max, overflow: policy.overflow });
  }
}
