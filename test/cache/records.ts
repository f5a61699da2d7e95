import { userKey } from 'lib/user-key.js';
import { randomId } from 'lib/token-codec.js';
import type { CopiedRecord, SessionRecord } from 'lib/model/session.js';
import type { Copy, NearCopy } from 'lib/near-cache.js';

export function recordOf(fields: Partial<SessionRecord> = {}): SessionRecord {
  return {
    id: randomId(),
    realm: 'users',
    userId: 'alice',
    userKey: userKey('users', 'alice'),
    userName: null,
    loginMethod: null,
    deviceType: null,
    deviceId: null,
    deviceName: null,
    ip: null,
    userAgent: null,
    claims: {},
    createdAt: 1,
    authenticatedAt: 1,
    reauthenticatedAt: null,
    amr: [],
    impersonator: null,
    persistent: false,
    idleMs: null,
    refreshMs: null,
    bans: [],
    accountEpoch: 0,
    realmEpoch: 0,
    accountVersion: 0,
    expiresAt: 9e15,
    lastSeenAt: 1,
    lastIp: null,
    end: null,
    version: 1,
    nonce: randomId(),
    current: {
      generation: 1,
      keyId: 'k1',
      signingKeyId: null,
      issuedAt: 1,
      accessHash: 'b'.repeat(64),
      accessExpiresAt: 9e15,
      refreshHash: null,
      refreshExpiresAt: null,
    },
    superseded: [],
    renewedFrom: null,
    usableUntil: 9e15,
    ...fields,
  };
}

export function endedRecord(fields: Partial<SessionRecord> = {}): SessionRecord {
  return recordOf({ version: 2, ...fields, end: { reason: 'SESSION_KICKED', at: 2, by: 'root', replacedBy: null } });
}

/** A record as Redis gives it back: without what its copy does without. */
export function copiedOf({
  nonce,
  renewedFrom,
  ip,
  userAgent,
  lastIp,
  refreshMs,
  ...record
}: SessionRecord): CopiedRecord {
  const withoutRefreshHash = <T extends SessionRecord['current']>({ refreshHash, ...rest }: T) => rest;
  const { current, superseded: older } = record;
  return { ...record, current: withoutRefreshHash(current), superseded: older.map(withoutRefreshHash) };
}

export function copyOf(record: SessionRecord, readAt = 0): Copy {
  return { record, readAt };
}

export function nearCopyOf(record: SessionRecord, readAt = 0): NearCopy {
  return { record, readAt, agesAt: Infinity, goneAt: Infinity };
}
