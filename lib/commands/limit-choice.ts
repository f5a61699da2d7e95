import { type FieldsOf, checkFields } from '../model/checked-input.js';
import { SessionError, invalidArgument } from '../model/session-error.js';
import { SessionLimitError } from '../model/session-limit-error.js';
import type { AccountRef } from '../model/user-key.js';
import type { Clock } from '../ports/clock.js';
import type { LoginOutcome, LoginRequest } from '../ports/session-repository.js';
import { issueLimitTicket, readLimitTicket } from '../tokens/limit-ticket.js';
import type { SecretKeys } from '../tokens/secret-keys.js';
import { type MakeRoom, sessionIdsOf } from './arguments.js';

/** Sessions among which a user is asked to choose. */
const MOST_SHOWN = 100;

interface Parts {
  readonly keys: SecretKeys;
  readonly clock: Pick<Clock, 'now'>;
}

/** A choice at the limit, with the proof of identity that it stands for. */
export interface Choice {
  readonly authenticatedAt: number;
  readonly epoch: number;
  readonly makeRoom: NonNullable<LoginRequest['makeRoom']>;
}

const FIELDS: FieldsOf<MakeRoom> = { choice: true, end: true };

/**
 * Reads what a user has chosen at the limit; null for nothing.
 * @throws SessionError ARGUMENT_INVALID; LOGIN_CHOICE_INVALID, also for the ticket of another account
 */
export function readChoice({ keys, clock }: Parts, account: AccountRef, value: MakeRoom | undefined): Choice | null {
  if (value === undefined) return null;
  checkFields(value, 'makeRoom', FIELDS);
  const end = value.end === 'oldest' ? value.end : sessionIdsOf(value.end, 'makeRoom.end');
  if (typeof value.choice !== 'string') throw invalidArgument('makeRoom.choice', 'must be a ticket');
  const ticket = readLimitTicket(keys, account.realm, value.choice, clock.now());
  if (ticket.account.key !== account.key) throw new SessionError('LOGIN_CHOICE_INVALID');
  const { authenticatedAt, epoch, realmEpoch, logins } = ticket;
  return { authenticatedAt, epoch, makeRoom: { end, realmEpoch, logins } };
}

/** Refuses a login in a way that lets its user choose. */
export function limitReached(
  { keys, clock }: Parts,
  { account, authenticatedAt }: { readonly account: AccountRef; readonly authenticatedAt: number | null },
  { limit, live, at, account: progress }: Extract<LoginOutcome, { kind: 'limit-reached' }>,
): SessionLimitError {
  const sessions = live
    .toSorted((a, b) => b.lastSeenAt - a.lastSeenAt)
    .slice(0, MOST_SHOWN)
    .map(({ id, deviceType, deviceName, createdAt, lastSeenAt }) => {
      return { id, deviceType, deviceName, createdAt, lastSeenAt };
    });
  const refused = { ...progress, authenticatedAt: authenticatedAt ?? at };
  return new SessionLimitError(limit, sessions, issueLimitTicket(keys, account, refused, clock.now()));
}
