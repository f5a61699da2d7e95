import type { Overflow } from 'nestjs-latchkey';
import { ConfigError } from './config-error.js';
import type { PolicyConfig } from './sample-config.js';

const MOST_SESSIONS = 1000;
const BOTH = 'per-device-type+multi';
const GROUP = /^([a-z0-9_-]{1,32})=([a-z0-9_+-]+)$/;

/** @param overflow read only where it means something. @throws ConfigError for what is none of the allowed values */
export function parseSessionPolicy(value: string | undefined, overflow: () => Overflow): PolicyConfig {
  if (value === undefined || value === 'single') return { kind: 'single' };
  if (value === 'per-device-type') return { kind: 'per-device-type' };
  if (value === 'multi') return { kind: 'multi', overflow: 'evict-oldest' };
  const types = groupsOf(value);
  if (types) return { kind: 'types', types };
  const [, kind, digits] = /^(multi|per-device-type\+multi):(\d{1,4})$/.exec(value) ?? [];
  const max = Number(digits ?? NaN);
  if (max >= 1 && max <= MOST_SESSIONS) return { kind: kind as 'multi' | typeof BOTH, max, overflow: overflow() };
  throw new ConfigError(
    'SESSION_POLICY',
    `must be single, multi, multi:N with N from 1 to ${MOST_SESSIONS}, per-device-type, ${BOTH}:N, or types:GROUP=TYPE+TYPE,... ` +
      'with each type in one group.',
  );
}

/** Groups of device types; null for what does not name each type once. */
function groupsOf(value: string): Record<string, string[]> | null {
  if (!value.startsWith('types:')) return null;
  const groups: Record<string, string[]> = {};
  const known = new Set<string>();
  for (const part of value.slice('types:'.length).split(',')) {
    const [, group, list] = GROUP.exec(part.trim()) ?? [];
    const types = list?.split('+') ?? [];
    const isGood = types.every((type) => type.length >= 1 && type.length <= 32 && !known.has(type));
    if (group === undefined || group === 'other' || Object.hasOwn(groups, group) || !isGood) return null;
    for (const type of types) known.add(type);
    if (known.size < Object.values(groups).flat().length + types.length) return null;
    groups[group] = types;
  }
  return groups;
}

/** Writes a policy as SESSION_POLICY has it. */
export function policyText(policy: PolicyConfig): string {
  if (policy.kind === 'types') {
    const groups = Object.entries(policy.types).map(([group, types]) => `${group}=${types.join('+')}`);
    return `types:${groups.join(',')}`;
  }
  return 'max' in policy && policy.max !== undefined ? `${policy.kind}:${policy.max}` : policy.kind;
}
