import { discard } from './end-notice.js';

/** One call of fetch, which may be sent twice unless its body can be read only once. Clones a Request with a body. */
export class OutgoingRequest {
  readonly isRepeatable: boolean;
  private first: Request;
  private again: () => Request;
  private spare: Request | null = null;
  /** The caller's signal: Node stops following it once the Request is collected, even while the response is read. */
  private readonly init: RequestInit | undefined;

  /** @throws TypeError for input that fetch refuses */
  constructor(
    private readonly fetch: typeof globalThis.fetch,
    base: URL,
    input: string | URL | Request,
    init: RequestInit | undefined,
  ) {
    this.init = init?.signal ? { signal: init.signal } : undefined;
    const target = isRequest(input) ? input : new URL(input, base);
    this.isRepeatable = !isReadOnce(init?.body);
    if (isRequest(target) && target.body !== null && init?.body == null) this.spare = target.clone();
    const source = this.spare ?? target;
    this.again = () => new Request(source, init);
    this.first = new Request(target, init);
  }

  /** Undefined in older versions of React Native if the caller passes no signal. */
  get signal(): AbortSignal | undefined {
    return this.first.signal;
  }

  /** True if the caller authenticates with another token. */
  get hasCredentials(): boolean {
    return this.first.headers.has('authorization');
  }

  isFor(origin: string): boolean {
    const url = new URL(this.first.url);
    // The origin of a blob is that of the page that created it.
    return url.origin === origin && url.protocol !== 'blob:';
  }

  /** Sends cookies, also to another origin, with the header that tells the server of a script of ours. */
  useCookies(): void {
    const { first, again } = this;
    const withCookies = (request: Request) => {
      const sent = new Request(request, { credentials: 'include' });
      sent.headers.set('X-Requested-With', 'nestjs-latchkey');
      return sent;
    };
    this.first = withCookies(first);
    this.again = () => withCookies(again());
  }

  /** @param token null for none, as with cookies */
  send(token: string | null): Promise<Response> {
    return this.dispatch(this.first, token);
  }

  sendAgain(token: string | null): Promise<Response> {
    const request = this.again();
    this.spare = null;
    return this.dispatch(request, token);
  }

  release(): void {
    discard(this.spare?.body);
    this.spare = null;
  }

  private dispatch(request: Request, token: string | null): Promise<Response> {
    if (token !== null) request.headers.set('Authorization', `Bearer ${token}`);
    return this.fetch.call(undefined, request, this.init);
  }
}

function isRequest(input: string | URL | Request): input is Request {
  return typeof input === 'object' && 'headers' in input;
}

function isReadOnce(body: unknown): boolean {
  return typeof body === 'object' && body !== null && ('getReader' in body || Symbol.asyncIterator in body);
}
