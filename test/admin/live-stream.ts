import { type ClientRequest, type IncomingMessage, get } from 'node:http';

/** The stream of what happens, as a watcher reads it. */
export class LiveStream {
  /** All that came by now. */
  text = '';
  private readonly request: ClientRequest;
  private readonly parts: Promise<AsyncIterator<string>>;

  constructor(port: number, token: string, lastEventId?: string, path = '/admin/live') {
    const headers = {
      authorization: `Bearer ${token}`,
      ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
    };
    this.request = get({ port, path, headers, agent: false });
    this.parts = new Promise((resolve, reject) => {
      this.request.on('error', reject);
      this.request.on('response', (answer: IncomingMessage) =>
        resolve(answer.setEncoding('utf8')[Symbol.asyncIterator]() as AsyncIterator<string>),
      );
    });
  }

  /** Reads on until what came matches. */
  async until(pattern: RegExp): Promise<void> {
    const parts = await this.parts;
    while (!pattern.test(this.text)) {
      const { done, value } = await parts.next();
      if (done) throw new Error(`The stream ended: ${this.text}`);
      this.text += value;
    }
  }

  /** Reads on until the server ends it. */
  async end(): Promise<void> {
    const parts = await this.parts;
    for (;;) {
      const { done, value } = await parts.next();
      if (done) return;
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
    this.request.destroy();
  }
}
