/** One event of `text/event-stream`. */
export interface StreamEvent {
  /** `message` if the stream names none. */
  readonly event: string;
  readonly data: string;
  /** Last id in the stream, '' before the first. */
  readonly id: string;
}

/** Most characters of one event. */
const LONGEST_EVENT = 1_048_576;

/** Incremental parser of `text/event-stream` (HTML Living Standard, 9.2.6), for pieces of any size. */
export class EventStreamParser {
  /** Reconnection delay requested by the stream, in milliseconds. */
  retryMs: number | undefined;
  private readonly lines = new LineReader();
  private first = true;
  private event = '';
  private data: string[] = [];
  private id: string;
  private length = 0;

  /** @param lastId last id of the previous connection */
  constructor(lastId = '') {
    this.id = lastId;
  }

  /** @returns events that this piece completes @throws Error for an event of more than a million characters */
  push(piece: string): StreamEvent[] {
    let text = piece;
    this.length += text.length;
    if (this.first && text !== '') {
      this.first = false;
      if (text.startsWith('\uFEFF')) text = text.slice(1);
    }
    const events = this.lines.push(text).flatMap((line) => this.read(line) ?? []);
    if (this.length > LONGEST_EVENT) throw new Error('An event of the stream is too long.');
    return events;
  }

  private read(line: string): StreamEvent | undefined {
    if (line === '') return this.dispatch();
    const colon = line.indexOf(':');
    if (colon === 0) return undefined;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.event = value;
    else if (field === 'data') this.data.push(value);
    else if (field === 'id' && !value.includes('\0')) this.id = value;
    else if (field === 'retry' && /^\d+$/.test(value)) this.retryMs = Number(value);
    return undefined;
  }

  private dispatch(): StreamEvent | undefined {
    const { event, data } = this;
    this.event = '';
    this.data = [];
    this.length = 0;
    return data.length === 0 ? undefined : { event: event || 'message', data: data.join('\n'), id: this.id };
  }
}

/**
 * Splits incremental text into lines. LF, CR LF and CR end a line, as in an event stream; a CR at the end of a piece
 * may be half of a CR LF, which the next piece decides.
 */
export class LineReader {
  private rest = '';
  private skipLineFeed = false;

  /** @returns lines that this piece completes, without line ends */
  push(piece: string): string[] {
    let text = piece;
    if (this.skipLineFeed && text !== '') {
      if (text.startsWith('\n')) text = text.slice(1);
      this.skipLineFeed = false;
    }
    if (text.endsWith('\r')) this.skipLineFeed = true;
    const lines = (this.rest + text).split(/\r\n|\n|\r/);
    this.rest = lines.pop()!;
    return lines;
  }

  /** Returns the text after the last line end. */
  end(): string {
    const rest = this.rest;
    this.rest = '';
    return rest;
  }
}
