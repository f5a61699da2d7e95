import { SessionError, invalidArgument } from '../model/session-error.js';
import { type AccountRef, accountRef } from '../model/user-key.js';
import { MAX_TOKEN_LENGTH } from './token-codec.js';
import type { SecretKeys } from './secret-keys.js';

/**
 * A login that was refused at a limit after the user had proved who they are. Any later login of the account makes it void,
 * so that it needs no table to be used once.
 */
export interface RefusedLogin {
  /** Epoch of the account; see issueTicket. */
  readonly epoch: number;
  readonly realmEpoch: number;
  /** Number of logins of the account so far. */
  readonly logins: number;
  /** Time of the proof of identity, in milliseconds since the epoch. */
  readonly authenticatedAt: number;
}

/** A limit ticket that was read. */
export interface LimitTicket extends RefusedLogin {
  readonly account: AccountRef;
}

/** How long a user may take to choose. */
const LIFE_MS = 120_000;
const PREFIX = 'limit_';
const MAC_BYTES = 24;

/** @param now database time, in milliseconds since the epoch */
export function issueLimitTicket(keys: SecretKeys, account: AccountRef, refused: RefusedLogin, now: number): string {
  const { epoch, realmEpoch, logins, authenticatedAt } = refused;
  const body = Buffer.from(JSON.stringify([account.userId, epoch, realmEpoch, logins, authenticatedAt, now + LIFE_MS]));
  return PREFIX + Buffer.concat([keys.sign('limit-ticket', body, MAC_BYTES), body]).toString('base64url');
}

/** @throws SessionError LOGIN_CHOICE_INVALID unless it was issued here in this realm and is not too old */
export function readLimitTicket(keys: SecretKeys, realm: string, ticket: unknown, now: number): LimitTicket {
  if (typeof ticket !== 'string') throw invalidArgument('ticket', 'must be the ticket of a SessionLimitError');
  if (ticket.startsWith(PREFIX) && ticket.length <= MAX_TOKEN_LENGTH) {
    const bytes = Buffer.from(ticket.slice(PREFIX.length), 'base64url');
    const body = bytes.subarray(MAC_BYTES);
    if (body.length > 0 && keys.verify('limit-ticket', body, bytes.subarray(0, MAC_BYTES))) {
      const [userId, epoch, realmEpoch, logins, authenticatedAt, expiresAt] = JSON.parse(body.toString()) as [
        string,
        ...number[],
      ];
      if (expiresAt! > now) {
        return {
          account: accountRef(realm, userId),
          epoch: epoch!,
          realmEpoch: realmEpoch!,
          logins: logins!,
          authenticatedAt: authenticatedAt!,
        };
      }
    }
  }
  throw new SessionError('LOGIN_CHOICE_INVALID');
}
