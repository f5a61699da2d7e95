/**
 * Cuts a text that arrives in pieces into lines. A line ends with LF, CR LF or CR, as an event stream allows; a CR at the end of a
 * piece may be half of a CR LF, so it is decided with the next piece.
 */
export class LineReader {
  private rest = '';
  private skipLineFeed = false;

  /** @returns the lines that this piece completes, without their ends */
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

  /** What came after the last end of line. */
  end(): string {
    const rest = this.rest;
    this.rest = '';
    return rest;
  }
}
