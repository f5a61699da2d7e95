import type { Overflow } from 'nestjs-latchkey';
import { ConfigError } from './config-error.js';
import type { PolicyConfig } from './sample-config.js';

const MOST_SESSIONS = 1000;

/** @param overflow read only where it means something. @throws ConfigError unless it is single, multi, multi:N or per-device-type */
export function parseSessionPolicy(value: string | undefined, overflow: () => Overflow): PolicyConfig {
  if (value === undefined || value === 'single') return { kind: 'single' };
  if (value === 'per-device-type') return { kind: 'per-device-type' };
  if (value === 'multi') return { kind: 'multi', overflow: 'evict-oldest' };
  const max = Number(/^multi:(\d{1,4})$/.exec(value)?.[1] ?? NaN);
  if (max >= 1 && max <= MOST_SESSIONS) return { kind: 'multi', max, overflow: overflow() };
  throw new ConfigError(
    'SESSION_POLICY',
    `must be single, multi, multi:N with N from 1 to ${MOST_SESSIONS}, or per-device-type.`,
  );
}
