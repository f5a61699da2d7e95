import type { ScopeChange } from '../model/mass-end.js';
import { type EndReason, isEndReason } from '../model/session.js';
import type { ChangeEnd, SessionChange } from '../ports/node-registry.js';
import type { ChangeNotice } from '../ports/verification-cache.js';
import type { Messenger } from './shared-cache.js';

interface ChangeMessage extends Required<ChangeNotice> {
  readonly from: string;
  /** Number to acknowledge; null if no caller waits. */
  readonly number: number | null;
}

/** Kind, id and version; of an end also the reason, the time and who did it. */
type WrittenChange = readonly [
  kind: 'session' | ScopeChange['kind'],
  id: string,
  version: number,
  reason?: EndReason,
  at?: number,
  by?: string,
];

interface ChangeAnswer {
  readonly from: string;
  readonly numbers: readonly number[];
}

/** Splits notices into messages of at most this many changes and keys. */
const MAX_ITEMS = 1000;

/** A sent message and its acknowledgements, which are collected until `close`. */
export interface Receipt {
  readonly acknowledgedBy: ReadonlySet<string>;
  readonly close: () => void;
}

/** Handles a notice of another node, which is acknowledged on return. */
export type NoticeHandler = (notice: Required<ChangeNotice>) => void;

interface Outgoing {
  readonly changes: SessionChange[];
  readonly scopes: ScopeChange[];
  readonly keys: Set<string>;
  readonly acknowledgedBy: Set<string>;
  waiting: number;
  /** Assigned on sending, to messages that need acknowledgement. */
  number: number | null;
}

/** Batches the notices of one turn, and the answers to one read of the connection: a longer wait would delay every end. */
export class ChangeBus {
  private outgoing: Outgoing | null = null;
  /** Messages awaiting acknowledgement, by number. */
  private readonly open = new Map<number, Outgoing>();
  private answered = deferred();
  private readonly answers = new Map<string, number[]>();
  private lastNumber = 0;

  constructor(
    private readonly parts: {
      readonly nodeId: string;
      readonly messenger: Messenger;
      readonly onNotice: NoticeHandler;
    },
  ) {}

  announce(notice: ChangeNotice): void {
    this.add(notice);
  }

  publish(notice: ChangeNotice): Receipt {
    const message = this.add(notice);
    message.waiting++;
    return {
      acknowledgedBy: message.acknowledgedBy,
      close: () => {
        message.waiting--;
        if (message.waiting === 0 && message.number !== null) this.open.delete(message.number);
      },
    };
  }

  /** Resolves on the next answer to any message. */
  nextAnswer(): Promise<void> {
    return this.answered.promise;
  }

  receiveMessage(text: string): void {
    const message = parseMessage(text);
    if (!message || message.from === this.parts.nodeId) return;
    this.parts.onNotice(message);
    if (message.number !== null) this.answer(message.from, message.number);
  }

  receiveAnswer(text: string): void {
    const answer = parseAnswer(text);
    if (!answer) return;
    for (const number of answer.numbers) this.open.get(number)?.acknowledgedBy.add(answer.from);
    const { resolve } = this.answered;
    this.answered = deferred();
    resolve();
  }

  private add({ changes = [], scopes = [], keys = [] }: ChangeNotice): Outgoing {
    const full = this.outgoing && this.outgoing.changes.length + this.outgoing.keys.size >= MAX_ITEMS;
    if (full) this.flush();
    if (!this.outgoing) {
      this.outgoing = { changes: [], scopes: [], keys: new Set(), acknowledgedBy: new Set(), waiting: 0, number: null };
      queueMicrotask(() => this.flush());
    }
    for (const change of changes) this.outgoing.changes.push(change);
    this.outgoing.scopes.push(...scopes);
    for (const key of keys) this.outgoing.keys.add(key);
    return this.outgoing;
  }

  private flush(): void {
    const message = this.outgoing;
    this.outgoing = null;
    if (!message) return;
    if (message.waiting > 0) this.open.set((message.number = ++this.lastNumber), message);
    const { changes, scopes, keys, number } = message;
    const from = this.parts.nodeId;
    void this.parts.messenger.send(writeMessage({ from, number, changes, scopes, keys: [...keys] }));
  }

  private answer(to: string, number: number): void {
    const waiting = this.answers.get(to);
    if (waiting) return void waiting.push(number);
    const numbers = [number];
    this.answers.set(to, numbers);
    queueMicrotask(() => {
      this.answers.delete(to);
      void this.parts.messenger.answer(to, writeAnswer({ from: this.parts.nodeId, numbers }));
    });
  }
}

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}

/** First item of every message. Unknown versions are not acknowledged; their senders then rely on polls. */
const VERSION = 1;

export function writeMessage({ from, number, changes, scopes, keys }: ChangeMessage): string {
  const ofSessions = changes.map(({ sessionId, version, end }) => writeChange('session', sessionId, version, end));
  const ofScopes = scopes.map(({ kind, id, version, end }) => writeChange(kind, id, version, end));
  return JSON.stringify([VERSION, from, number, [...ofSessions, ...ofScopes], keys]);
}

/** Null for text that no node of this version writes. */
export function parseMessage(text: string): ChangeMessage | null {
  const [version, from, number, written, keys, ...more] = parseList(text);
  const isMessage =
    version === VERSION &&
    typeof from === 'string' &&
    (number === null || Number.isSafeInteger(number)) &&
    isListOf(written, isChange) &&
    isListOf(keys, isText) &&
    more.length === 0;
  if (!isMessage) return null;
  const changes: SessionChange[] = [];
  const scopes: ScopeChange[] = [];
  for (const [kind, id, itsVersion, reason, at, by] of written) {
    const end = reason === undefined ? null : { reason, at: at!, by: by! };
    if (kind === 'session') changes.push({ sessionId: id, version: itsVersion, ...(end && { end }) });
    else scopes.push({ kind, id, version: itsVersion, end: end && { ...end, replacedBy: null } });
  }
  return { from, number: number as number | null, changes, scopes, keys };
}

function writeChange(
  kind: WrittenChange[0],
  id: string,
  version: number,
  end: ChangeEnd | null | undefined,
): WrittenChange {
  return end ? [kind, id, version, end.reason, end.at, end.by] : [kind, id, version];
}

export function writeAnswer({ from, numbers }: ChangeAnswer): string {
  return JSON.stringify([VERSION, from, numbers]);
}

/** Null for text that no node of this version writes. */
export function parseAnswer(text: string): ChangeAnswer | null {
  const [version, from, numbers, ...more] = parseList(text);
  const isAnswer = version === VERSION && typeof from === 'string' && isListOf(numbers, isNumber) && more.length === 0;
  return isAnswer ? { from, numbers } : null;
}

function parseList(text: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}

function isListOf<T>(value: unknown, isItem: (item: unknown) => item is T): value is readonly T[] {
  return Array.isArray(value) && value.every(isItem);
}

const KINDS: readonly string[] = ['session', 'account', 'realm'];

function isChange(value: unknown): value is WrittenChange {
  if (!Array.isArray(value)) return false;
  const [kind, id, version, ...end] = value as unknown[];
  const isEnd = end.length === 3 && isEndReason(end[0]) && isNumber(end[1]) && isText(end[2]);
  return KINDS.includes(kind as string) && isText(id) && isNumber(version) && (end.length === 0 || isEnd);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isNumber(value: unknown): value is number {
  return Number.isSafeInteger(value);
}
