import type { SessionChange } from '../ports/node-registry.js';

/** Wire form of a notice. */
export interface ChangeMessage {
  /** Id of the sending node. */
  readonly from: string;
  /** Number to acknowledge; null if no caller waits. */
  readonly number: number | null;
  readonly changes: readonly SessionChange[];
  /** See ChangeNotice. */
  readonly keys: readonly string[];
}

/** Acknowledges messages. */
export interface ChangeAnswer {
  readonly from: string;
  readonly numbers: readonly number[];
}

/** First item of every message. Unknown versions are not acknowledged; their senders then rely on polls. */
const VERSION = 1;

export function writeMessage({ from, number, changes, keys }: ChangeMessage): string {
  return JSON.stringify([VERSION, from, number, changes.map(({ sessionId, version }) => [sessionId, version]), keys]);
}

/** Null for text that no node of this version writes. */
export function parseMessage(text: string): ChangeMessage | null {
  const [version, from, number, changes, keys, ...more] = parseList(text);
  const isMessage =
    version === VERSION &&
    typeof from === 'string' &&
    (number === null || Number.isSafeInteger(number)) &&
    isListOf(changes, isChange) &&
    isListOf(keys, isText) &&
    more.length === 0;
  if (!isMessage) return null;
  return {
    from,
    number: number as number | null,
    changes: changes.map(([sessionId, version]) => ({ sessionId, version })),
    keys,
  };
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

function isChange(value: unknown): value is readonly [string, number] {
  return Array.isArray(value) && value.length === 2 && isText(value[0]) && isNumber(value[1]);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isNumber(value: unknown): value is number {
  return Number.isSafeInteger(value);
}
