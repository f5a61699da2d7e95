/** The response of the HTTP adapter: that of Node.js, or what has it. */
export interface LiveResponse {
  readonly raw?: LiveResponse;
  readonly writableNeedDrain?: boolean;
  destroy?(): unknown;
}

/** Beats that a reader may leave unread, some 15 s each. */
const MAX_UNREAD_BEATS = 2;

/**
 * Who reads a stream, or does not: nothing is kept for one whose connection is full. It is told afterwards that it has missed something,
 * and is cut off if it never reads.
 */
export class LiveReader {
  private readonly response: LiveResponse;
  private hasMissed = false;
  private unreadBeats = 0;

  constructor(response: LiveResponse) {
    this.response = response.raw ?? response;
  }

  /** @returns whether this kind of news can be sent; where it can again, `onMissed` is called first */
  takes(kind: string, onMissed: () => void): boolean {
    if (this.response.writableNeedDrain === true) {
      this.hasMissed = true;
      if (kind === 'beat' && ++this.unreadBeats >= MAX_UNREAD_BEATS) this.response.destroy?.();
      return false;
    }
    this.unreadBeats = 0;
    if (this.hasMissed) {
      this.hasMissed = false;
      onMissed();
    }
    return true;
  }
}
