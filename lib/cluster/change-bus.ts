import type { SessionChange } from '../ports/node-registry.js';
import type { ChangeNotice } from '../ports/verification-cache.js';
import { parseAnswer, parseMessage, writeAnswer, writeMessage } from './change-message.js';
import type { Messenger } from './shared-cache.js';

/** From this many changes and keys on, further notices go into another message. */
const MAX_ITEMS = 1000;

/** A message that was sent, and who has acknowledged it. */
export interface Receipt {
  readonly acknowledgedBy: ReadonlySet<string>;
}

/** What is to become of a notice that another node sends. It is acknowledged when this returns. */
export type NoticeHandler = (changes: readonly SessionChange[], keys: readonly string[]) => void;

interface Outgoing {
  readonly changes: SessionChange[];
  readonly keys: Set<string>;
  readonly acknowledgedBy: Set<string>;
  /** How many wait for answers to it. */
  waiting: number;
  /** Given when it is sent, to one that is to be answered. */
  number: number | null;
}

/**
 * Notices between nodes. What is sent in one turn goes into one message, and so do the answers to one node for what came with one
 * reading of the connection: to wait for more would have everybody wait who ends something. A message that nobody waits for is
 * not answered.
 */
export class ChangeBus {
  private outgoing: Outgoing | null = null;
  /** By number, those that somebody waits for. */
  private readonly open = new Map<number, Outgoing>();
  private answered = deferred();
  private readonly answers = new Map<string, number[]>();
  private lastNumber = 0;

  constructor(
    private readonly nodeId: string,
    private readonly messenger: Messenger,
    private readonly onNotice: NoticeHandler,
  ) {}

  /** Sends a notice that nobody waits for. */
  announce(notice: ChangeNotice): void {
    this.add(notice);
  }

  /** Sends a notice and collects who acknowledges it, until `close`. */
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

  /** Resolves when the next answer to anything has come. */
  nextAnswer(): Promise<void> {
    return this.answered.promise;
  }

  receiveMessage(text: string): void {
    const message = parseMessage(text);
    if (!message || message.from === this.nodeId) return;
    this.onNotice(message.changes, message.keys);
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
    void this.messenger.send(writeMessage({ from: this.nodeId, number, changes, keys: [...keys] }));
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
      void this.messenger.answer(to, writeAnswer({ from: this.nodeId, numbers }));
    });
  }
}

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}
