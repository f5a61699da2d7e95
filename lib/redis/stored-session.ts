import { crc32 } from 'node:zlib';
import type { Copy } from '../cluster/near-cache.js';
import { END_FIELDS, type Fields, PAIR_FIELDS, SESSION_FIELDS } from '../model/session-fields.js';
import type { CopiedRecord, SessionEnd } from '../model/session.js';
import type { Tombstone } from '../model/session-change.js';
import type { CopiedPair } from '../model/token-pair.js';
import { userKey } from '../model/user-key.js';
import { BANS, PAIRS, Packing } from './packing.js';

/** Changes with what this file and packing.ts make of the fields. */
const FORMAT = 1;

/** Kind, version and time of reading, which the script compares (redis-commands.ts), and the beginning of the session's id. */
const HEAD = /^([LT]):(\d{1,15}):(\d{1,15}):([0-9a-f]{8})/;
const ID_LENGTH = 8;

type Unpacked = { -readonly [Name in keyof CopiedRecord]: CopiedRecord[Name] };
type DeadToken = Tombstone['tokens'][number];

const { generation, accessHash } = PAIR_FIELDS;
const CURRENT = new Packing<CopiedPair>(PAIR_FIELDS);
const END = new Packing<SessionEnd>(END_FIELDS);
const TOKEN = new Packing<DeadToken>({ generation, accessHash });

/**
 * Values of the sessions of a realm in Redis: a head, a list in JSON, and a checksum of both and of the names of the fields: half
 * a record, or one of other fields, never passes for a session.
 */
export class StoredSessions {
  private readonly record: Packing<Unpacked>;
  /** Checksum of the names of the fields. */
  private readonly layout: number;

  /** @param fields of a record */
  constructor(
    private readonly realm: string,
    fields: Fields = SESSION_FIELDS,
  ) {
    const more = { id: '', realm, userKey: '', version: 0, createdAt: 0, current: null, end: null };
    this.record = new Packing(fields, more);
    const packings = [this.record, CURRENT, PAIRS, BANS, END, TOKEN];
    this.layout = crc32(JSON.stringify([FORMAT, ...packings.map(({ layout }) => layout)]));
  }

  /** Serializes a live copy. Contains hashes only, no credential. */
  writeCopy({ record, readAt }: Copy): string {
    const { id, version, createdAt, current } = record;
    const body = [readAt - createdAt, CURRENT.pack(current, createdAt), this.record.pack(record, createdAt)];
    return this.seal(`L:${version}:${readAt}:`, id, body);
  }

  /** Serializes a tombstone, without any data of the user or of the actor of the end. */
  writeTombstone({ sessionId, version, end, tokens }: Tombstone): string {
    const body = [END.pack({ ...end, by: '' }, 0), ...tokens.map((token) => TOKEN.pack(token, 0))];
    return this.seal(`T:${version}:0:`, sessionId, body);
  }

  /** Parses the value of a session: null for text that this version did not write, `foreign` for another session's. */
  read(sessionId: string, value: string): Copy | Tombstone | 'foreign' | null {
    const end = value.lastIndexOf(']') + 1;
    const text = value.slice(0, end);
    const [head, kind, version, readAt, id] = HEAD.exec(text) ?? [];
    if (head === undefined || value.slice(end) !== this.checkOf(text)) return null;
    if (!sessionId.startsWith(id!)) return 'foreign';
    const body = JSON.parse(text.slice(head.length)) as readonly never[];
    return kind === 'L'
      ? this.toCopy(sessionId, Number(version), Number(readAt), body)
      : toTombstone(sessionId, Number(version), body);
  }

  private toCopy(id: string, version: number, readAt: number, [age, pair, fields]: readonly never[]): Copy {
    const createdAt = readAt - age!;
    const record = this.record.unpack(fields!, createdAt);
    record.id = id;
    record.userKey = userKey(this.realm, record.userId);
    record.version = version;
    record.createdAt = createdAt;
    record.current = CURRENT.unpack(pair!, createdAt);
    return { record, readAt };
  }

  private seal(head: string, sessionId: string, body: readonly unknown[]): string {
    const text = head + sessionId.slice(0, ID_LENGTH) + JSON.stringify(body);
    return text + this.checkOf(text);
  }

  private checkOf(text: string): string {
    return crc32(text, this.layout).toString(36);
  }
}

function toTombstone(sessionId: string, version: number, [end, ...tokens]: readonly never[]): Tombstone {
  return { sessionId, version, end: END.unpack(end!, 0), tokens: tokens.map((token) => TOKEN.unpack(token, 0)) };
}
