import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Ban } from '../../../model/ban.js';
import type { EndReason, Claims } from '../../../model/session.js';
import type { SupersededPair } from '../../../model/token-pair.js';
import { json, nullable, number, table, text, userId } from './column-types.js';

/**
 * One login on one device, live or ended. Read it as you like; write it through TokenService only, or nodes will not
 * hear of the change. No column holds a credential: tokens are stored as SHA-256.
 */
@Entity(table('session'))
export class LatchkeySession {
  /** 128 random bits, 32 hex digits; public. */
  @PrimaryColumn(text('id', 32))
  id!: string;

  @Column(text('realm', 64))
  realm!: string;

  @Column(userId())
  userId!: string;

  @Column(nullable(text('user_name', 128)))
  userName!: string | null;

  @Column(nullable(text('login_method', 32)))
  loginMethod!: string | null;

  /** Beginning of the user id as operators search for it; this and the next ones as search-keys.ts makes them. */
  @Column(text('user_search', 128))
  userSearch!: string;

  @Column(nullable(text('name_search', 128)))
  nameSearch!: string | null;

  @Column(nullable(text('device_search', 128)))
  deviceSearch!: string | null;

  /** The address of the login, and that of the last use, as a number of 128 bits: 32 hex digits. */
  @Column(nullable(text('ip_key', 32)))
  ipKey!: string | null;

  @Column(nullable(text('last_ip_key', 32)))
  lastIpKey!: string | null;

  /** SHA-256 over realm and user id, 64 hex digits. */
  @Column(text('user_key', 64))
  userKey!: string;

  /** Place under the device policy; null once ended. */
  @Column(nullable(text('slot', 64)))
  slot!: string | null;

  @Column(nullable(text('device_type', 32)))
  deviceType!: string | null;

  @Column(nullable(text('device_id', 128)))
  deviceId!: string | null;

  @Column(nullable(text('device_name', 128)))
  deviceName!: string | null;

  @Column(nullable(text('ip', 45)))
  ip!: string | null;

  @Column(nullable(text('user_agent', 512)))
  userAgent!: string | null;

  @Column(json('claims'))
  claims!: Claims;

  @Column(number('created_at'))
  createdAt!: number;

  @Column(number('authenticated_at'))
  authenticatedAt!: number;

  /** When the user last proved again who they are, in this session. */
  @Column(nullable(number('reauthenticated_at')))
  reauthenticatedAt!: number | null;

  /** The operator who opened the session as this user. */
  @Column(nullable(text('impersonator', 255)))
  impersonator!: string | null;

  /** The absolute end; never moves. */
  @Column(number('expires_at'))
  expiresAt!: number;

  /** From here on no token of the session can be accepted. */
  @Column(number('usable_until'))
  usableUntil!: number;

  @Column(text('status', 8))
  status!: 'live' | 'ended';

  @Column(nullable(text('end_reason', 32)))
  endReason!: EndReason | null;

  @Column(nullable(number('ended_at')))
  endedAt!: number | null;

  @Column(nullable(text('ended_by', 255)))
  endedBy!: string | null;

  @Column(nullable(text('replaced_by', 32)))
  replacedBy!: string | null;

  /** Grows with every change of the verdict. */
  @Column(number('version'))
  version!: number;

  /** Random; the successors of the session's tokens are derived with it. */
  @Column(text('nonce', 32))
  nonce!: string;

  /** Counts the token pairs of the session, from 1. This and what follows describe the current one. */
  @Column(number('generation'))
  generation!: number;

  /** Name of the application's key that the tokens were made with. */
  @Column(text('key_id', 16))
  keyId!: string;

  /** Name of the key that signed the access token, where it is a JWT. */
  @Column(nullable(text('signing_key_id', 64)))
  signingKeyId!: string | null;

  @Column(number('issued_at'))
  issuedAt!: number;

  /** SHA-256 of what proves the access token, 64 hex digits. */
  @Column(text('access_hash', 64))
  accessHash!: string;

  @Column(number('access_expires_at'))
  accessExpiresAt!: number;

  /** SHA-256 and end of the refresh token; null for a session that has none. */
  @Column(nullable(text('refresh_hash', 64)))
  refreshHash!: string | null;

  @Column(nullable(number('refresh_expires_at')))
  refreshExpiresAt!: number | null;

  /** Pairs that a successor has taken over from and that are still in grace. */
  @Column(nullable(json('superseded')))
  superseded!: readonly SupersededPair[] | null;

  /** Address that the current pair was renewed from. */
  @Column(nullable(text('renewed_from', 45)))
  renewedFrom!: string | null;

  /** Bans of the account; the row of the account has the same. */
  @Column(nullable(json('bans')))
  bans!: readonly Ban[] | null;

  /** Outside the version; equals createdAt until the first use. */
  @Column(number('last_seen_at'))
  lastSeenAt!: number;

  /** Outside the version: when a token of it was last presented, whether or not that was a use; null for never. */
  @Column(nullable(number('presented_at')))
  presentedAt!: number | null;

  /** The address that it was last presented from. */
  @Column(nullable(text('last_ip', 45)))
  lastIp!: string | null;
}
