import type { SessionChange } from '../ports/node-registry.js';
import type { ChangeNotice } from '../ports/verification-cache.js';
import { parseAnswer, parseMessage, writeAnswer, writeMessage } from './change-message.js';
import type { Messenger } from './shared-cache.js';

/** Splits notices into messages of at most this many changes and keys. */
const MAX_ITEMS = 1000;

/** A sent message and its acknowledgements. */
export interface Receipt {
  readonly acknowledgedBy: ReadonlySet<string>;
}

/** Handles a notice of another node, which is acknowledged on return. */
export type NoticeHandler = (changes: readonly SessionChange[], keys: readonly string[]) => void;

interface Outgoing {
  readonly changes: SessionChange[];
  readonly keys: Set<string>;
  readonly acknowledgedBy: Set<string>;
  /** Number of calls waiting for acknowledgements. */
  waiting: number;
  /** Assigned on sending, to messages that need acknowledgement. */
  number: number | null;
}

/**
 * Exchanges notices between nodes. Batches all notices of one turn into one message, and all answers to what one read
 * of the connection delivered. Waiting longer for a batch would delay every end. Messages without waiting callers are
 * not acknowledged.
 */
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

  /** Sends a notice without acknowledgement. */
  announce(notice: ChangeNotice): void {
    this.add(notice);
  }

  /** Sends a notice and collects acknowledgements until `close`. */
  publish(notice: ChangeNotice): Receipt & { readonly close: () => void } {
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
    this.parts.onNotice(message.changes, message.keys);
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

  private add({ changes = [], keys = [] }: ChangeNotice): Outgoing {
    const full = this.outgoing && this.outgoing.changes.length + this.outgoing.keys.size >= MAX_ITEMS;
    if (full) this.flush();
    if (!this.outgoing) {
      this.outgoing = { changes: [], keys: new Set(), acknowledgedBy: new Set(), waiting: 0, number: null };
      queueMicrotask(() => this.flush());
    }
    for (const change of changes) this.outgoing.changes.push(change);
    for (const key of keys) this.outgoing.keys.add(key);
    return this.outgoing;
  }

  private flush(): void {
    const message = this.outgoing;
    this.outgoing = null;
    if (!message) return;
    if (message.waiting > 0) this.open.set((message.number = ++this.lastNumber), message);
    const { changes, keys, number } = message;
    void this.parts.messenger.send(writeMessage({ from: this.parts.nodeId, number, changes, keys: [...keys] }));
  }

  private answer(to: string, number: number): void {
    const waiting = this.answers.get(to);
    if (waiting) {
      waiting.push(number);
      return;
    }
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
