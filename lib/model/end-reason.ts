/**
 * Why a session ended. The reason that the record keeps is also the code that the holder of the token is told.
 *
 * - SESSION_LOGGED_OUT: its user ended it
 * - SESSION_REPLACED: a later login took its place under the device policy
 * - SESSION_KICKED: an operator ended it
 * - SESSION_REVOKED: a change of credentials, or revoke-all, ended it
 * - SESSION_EXPIRED: it reached its absolute end
 * - TOKEN_EXPIRED: its last token ran out unused
 * - SESSION_IDLE: nobody used it for the idle timeout
 * - ACCOUNT_DISABLED: a ban of the account ended it
 * - REFRESH_REUSED: a refresh token was used again after its grace, so it is in two hands
 */
export const END_REASONS = [
  'SESSION_LOGGED_OUT',
  'SESSION_REPLACED',
  'SESSION_KICKED',
  'SESSION_REVOKED',
  'SESSION_EXPIRED',
  'TOKEN_EXPIRED',
  'SESSION_IDLE',
  'ACCOUNT_DISABLED',
  'REFRESH_REUSED',
] as const;

export type EndReason = (typeof END_REASONS)[number];
