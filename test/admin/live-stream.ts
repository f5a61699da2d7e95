/** The stream of what happens, as a watcher reads it. */
export class LiveStream {
  /** All that came by now. */
  text = '';
  private readonly aborted = new AbortController();
  private readonly answer: Promise<ReadableStreamDefaultReader<string>>;

  constructor(port: number, token: string, lastEventId?: string) {
    const headers = {
      authorization: `Bearer ${token}`,
      ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
    };
    this.answer = fetch(`http://127.0.0.1:${port}/admin/live`, { headers, signal: this.aborted.signal }).then(
      ({ body }) => body!.pipeThrough(new TextDecoderStream()).getReader(),
    );
  }

  /** Reads on until what came matches. */
  async until(pattern: RegExp): Promise<void> {
    const reader = await this.answer;
    while (!pattern.test(this.text)) {
      const { done, value } = await reader.read();
      if (done) throw new Error(`The stream ended: ${this.text}`);
      this.text += value;
    }
  }

  /** The changes that were told, with the id of their message. */
  get changes(): readonly Readonly<Record<string, unknown>>[] {
    return [...this.text.matchAll(/^event: change\nid: (\w+)\ndata: (.*)$/gm)].map(([, messageId, data]) => ({
      messageId,
      ...(JSON.parse(data!) as object),
    }));
  }

  close(): void {
    this.aborted.abort();
  }
}
