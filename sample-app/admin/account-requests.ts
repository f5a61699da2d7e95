import type { BanOptions, Duration, ImpersonationOptions } from 'nestjs-latchkey';
import { Input, invalid } from '../http/input.js';

const MAX_REASON = 255;
const MAX_SERVICE = 64;

/** @param now milliseconds since the epoch @throws SessionError ARGUMENT_INVALID */
export function readBanRequest(body: unknown, now: number): Omit<BanOptions, 'by'> {
  const input = new Input(body);
  const until = input.optionalTime('until');
  if (until !== undefined && until <= now) throw invalid('until', 'must be in the future');
  return {
    until,
    reason: input.optionalText('reason', MAX_REASON),
    service: input.optionalText('service', MAX_SERVICE),
    level: input.optionalInteger('level'),
  };
}

/** @throws SessionError ARGUMENT_INVALID */
export function readLiftBanRequest(query: unknown): { readonly service: string | undefined } {
  return { service: new Input(query).optionalText('service', MAX_SERVICE) };
}

/** The library checks the duration. @throws SessionError ARGUMENT_INVALID */
export function readImpersonationRequest(body: unknown): Pick<ImpersonationOptions, 'reason' | 'for'> {
  const input = new Input(body);
  return {
    reason: input.optionalText('reason', MAX_REASON),
    for: input.optionalText('for', 16) as Duration | undefined,
  };
}
