import { checkOptions, isObject } from '../model/checked-input.js';
import type { SessionDetails } from '../model/session.js';
import { type DevicePolicy, checkPicked } from '../rules/device-policy.js';
import { type CheckedLife, type LifeLimits, type SessionLife, checkPolicyLife } from './login-life.js';

/** Properties of a login by which the application picks a policy. */
export interface PolicyContext {
  readonly userId: string;
  readonly deviceType: string | null;
  readonly claims: SessionDetails['claims'];
}

/** A policy with the lives of the login that it is picked for. The shorter ones hold if the login gives its own as well. */
export interface PolicyWithLife {
  readonly policy: DevicePolicy;
  readonly life: SessionLife;
}

/** One policy for all logins, or a function that picks one per login, alone or with the lives of the session. */
export type PolicyOption = DevicePolicy | ((login: PolicyContext) => DevicePolicy | PolicyWithLife);

/** Picks the policy of a login. @throws SessionError CONFIGURATION_INVALID for what is no policy, or a bad life */
export function pickPolicy(
  option: PolicyOption,
  login: PolicyContext,
  limits: LifeLimits,
): { readonly policy: DevicePolicy; readonly life: CheckedLife } {
  const picked = typeof option === 'function' ? option(login) : option;
  if (!isObject(picked) || !('policy' in picked) || 'decide' in picked) {
    return { policy: checkPicked(picked), life: checkPolicyLife(undefined, limits) };
  }
  checkOptions(picked, 'policy.', { policy: true, life: true });
  return { policy: checkPicked(picked.policy), life: checkPolicyLife(picked.life, limits) };
}
