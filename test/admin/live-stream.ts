import { type ClientRequest, type IncomingMessage, get } from 'node:http';
import { afterAll, beforeAll, jest } from '@jest/globals';
import { JUDGE_EVERY_MS } from 'lib/admin.guard.js';
import { PeriodicTask } from 'lib/periodic-task.js';

/** Judges those who watch a stream twenty times as often, in the tests of a file. */
export function judgeOften(): void {
  beforeAll(() => {
    const start = Object.getOwnPropertyDescriptor(PeriodicTask.prototype, 'start')!.value as PeriodicTask['start'];
    jest.spyOn(PeriodicTask.prototype, 'start').mockImplementation(function (this: PeriodicTask) {
      const task = this as unknown as { intervalMs: number };
      if (task.intervalMs === JUDGE_EVERY_MS) task.intervalMs /= 20;
      start.call(this);
    });
  });
  afterAll(() => void jest.restoreAllMocks());
}

export class LiveStream {
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
