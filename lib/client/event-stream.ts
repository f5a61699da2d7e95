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
  private isFirst = true;
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
    this.length += piece.length;
    const text = this.isFirst ? piece.replace(/^\uFEFF/, '') : piece;
    if (piece !== '') this.isFirst = false;
    const events = this.lines.push(text).flatMap((line) => this.read(line) ?? []);
    if (this.length > LONGEST_EVENT) throw new Error('An event of the stream is too long.');
    return events;
  }

  private read(line: string): StreamEvent | undefined {
    if (line === '') return this.dispatch();
    const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line)!;
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

/** Splits incremental text into lines, ended by LF, CR LF or CR. A CR at the end of a piece may be half of a CR LF. */
export class LineReader {
  private rest = '';
  private skipLineFeed = false;

  /** @returns lines that this piece completes, without line ends */
  push(piece: string): string[] {
    if (piece === '') return [];
    const text = this.skipLineFeed ? piece.replace(/^\n/, '') : piece;
    this.skipLineFeed = text.endsWith('\r');
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
