import { hash } from 'node:crypto';
import type { Copy } from '../cluster/near-cache.js';
import { END_FIELDS, type Fields, PAIR_FIELDS, SESSION_FIELDS } from '../model/session-fields.js';
import type { CopiedRecord, SessionEnd } from '../model/session.js';
import type { Tombstone } from '../model/session-change.js';
import type { CopiedPair } from '../model/token-pair.js';
import { userKey } from '../model/user-key.js';
import { BANS, PAIRS, Packing } from './packing.js';

/** Changes with what this file and packing.ts make of the fields. */
const FORMAT = 1;

/** Kind, version and time of reading, which the script compares (redis-commands.ts). */
const HEAD = /^([LT]):(\d{1,15}):(\d{1,15}):/;
/** Digits of the session's id in a value. */
const ID_LENGTH = 8;
const CHECK_LENGTH = 6;

/** Fields of a record that do not follow from its key or the head. */
type Body = Omit<CopiedRecord, 'id' | 'realm' | 'userKey' | 'version' | 'createdAt' | 'current' | 'end'>;
type DeadToken = Tombstone['tokens'][number];

const { generation, accessHash } = PAIR_FIELDS;
const CURRENT = new Packing<CopiedPair>(PAIR_FIELDS);
const END = new Packing<SessionEnd>(END_FIELDS);
const TOKEN = new Packing<DeadToken>({ generation, accessHash });

/**
 * Values of the sessions of a realm in Redis: a head, the beginning of the session's id, a check, and a list in JSON. The check
 * covers all of it and the names of the fields: half a record, or one of other fields, never passes for a session.
 */
export class StoredSessions {
  private readonly record: Packing<Body>;
  private readonly layout: string;

  /** @param fields of a record */
  constructor(
    private readonly realm: string,
    fields: Fields = SESSION_FIELDS,
  ) {
    this.record = new Packing(fields);
    const packings = [this.record, CURRENT, PAIRS, BANS, END, TOKEN];
    const names = JSON.stringify([FORMAT, ...packings.map(({ layout }) => layout)]);
    this.layout = hash('sha256', names, 'base64url');
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
    const [head, kind, version, readAt] = HEAD.exec(value) ?? [];
    if (head === undefined) return null;
    const idAt = head.length;
    const checkAt = idAt + ID_LENGTH;
    const json = value.slice(checkAt + CHECK_LENGTH);
    if (value.slice(checkAt, checkAt + CHECK_LENGTH) !== this.checkOf(value.slice(0, checkAt), json)) return null;
    if (!sessionId.startsWith(value.slice(idAt, checkAt))) return 'foreign';
    const body = JSON.parse(json) as readonly never[];
    return kind === 'L'
      ? this.toCopy(sessionId, Number(version), Number(readAt), body)
      : toTombstone(sessionId, Number(version), body);
  }

  private toCopy(id: string, version: number, readAt: number, [age, pair, fields]: readonly never[]): Copy {
    const { realm } = this;
    const createdAt = readAt - age!;
    const body = this.record.unpack(fields!, createdAt);
    const current = CURRENT.unpack(pair!, createdAt);
    const key = userKey(realm, body.userId);
    return { record: { id, realm, userKey: key, version, createdAt, ...body, current, end: null }, readAt };
  }

  private seal(head: string, sessionId: string, body: readonly unknown[]): string {
    const name = head + sessionId.slice(0, ID_LENGTH);
    const json = JSON.stringify(body);
    return name + this.checkOf(name, json) + json;
  }

  private checkOf(name: string, json: string): string {
    return hash('sha256', this.layout + name + json, 'base64url').slice(0, CHECK_LENGTH);
  }
}

function toTombstone(sessionId: string, version: number, [end, ...tokens]: readonly never[]): Tombstone {
  return { sessionId, version, end: END.unpack(end!, 0), tokens: tokens.map((token) => TOKEN.unpack(token, 0)) };
}
