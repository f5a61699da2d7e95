import type { BrowserContext } from 'playwright-core';

/** What a browser says of the answer that tells a client that its session has ended. */
export const ENDED = /status of 401 \(Unauthorized\)/;

/** Runs in each page before anything else of it. */
const REPORT_VIOLATIONS = `addEventListener('securitypolicyviolation', (event) =>
  console.error('policy violated: ' + event.violatedDirective + ' by ' + (event.blockedURI || 'the page')));`;

/** Notes what no page may do: errors, violations of its security policy, requests to another origin. */
export class Recorder {
  private readonly seen: string[] = [];
  private readonly expected: RegExp[] = [];

  async watch(context: BrowserContext, origin: string): Promise<void> {
    await context.addInitScript(REPORT_VIOLATIONS);
    context.on('console', (message) => {
      if (message.type() === 'error') this.seen.push(`console: ${message.text()} (${message.location().url})`);
    });
    context.on('weberror', (error) => this.seen.push(`not caught: ${error.error().stack ?? error.error().message}`));
    context.on('request', (request) => {
      const { protocol, origin: to } = new URL(request.url());
      if (to !== origin && protocol !== 'data:' && protocol !== 'blob:') this.seen.push(`foreign: ${request.url()}`);
    });
  }

  /** A browser writes an error to the console for each answer with 4xx: a test names those that belong to its story. */
  expect(pattern: RegExp): void {
    this.expected.push(pattern);
  }

  /** What was seen and not expected; forgets it. */
  takeComplaints(): string[] {
    const complaints = this.seen.filter((line) => !this.expected.some((pattern) => pattern.test(line)));
    this.seen.length = this.expected.length = 0;
    return complaints;
  }
}
