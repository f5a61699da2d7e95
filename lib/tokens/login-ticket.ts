import { invalidArgument } from '../model/session-error.js';
import type { SecretKeys } from './secret-keys.js';
import type { AccountRef } from '../model/user-key.js';

const EPOCH_BYTES = 6;
const MAC_BYTES = 18;

/** Proves when an authentication of the account began (promise G11): clients may carry it through login steps. */
export function issueTicket(keys: SecretKeys, account: AccountRef, epoch: number): string {
  const body = Buffer.alloc(EPOCH_BYTES);
  body.writeUIntBE(epoch, 0, EPOCH_BYTES);
  return Buffer.concat([body, keys.sign('login-ticket', signed(account, body), MAC_BYTES)]).toString('base64url');
}

/** @throws SessionError ARGUMENT_INVALID unless the ticket was issued here for this account */
export function readTicket(keys: SecretKeys, account: AccountRef, ticket: unknown): number {
  const length = ((EPOCH_BYTES + MAC_BYTES) * 4) / 3;
  if (typeof ticket === 'string' && ticket.length === length && /^[A-Za-z0-9_-]+$/.test(ticket)) {
    const bytes = Buffer.from(ticket, 'base64url');
    const body = bytes.subarray(0, EPOCH_BYTES);
    if (keys.verify('login-ticket', signed(account, body), bytes.subarray(EPOCH_BYTES))) {
      return body.readUIntBE(0, EPOCH_BYTES);
    }
  }
  throw invalidArgument('ticket', 'must be a ticket of beginLogin() for the same user');
}

function signed(account: AccountRef, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(account.key), body]);
}
