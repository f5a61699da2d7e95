import type { SessionClient } from '../client/index.js';
import type { ConsoleUrls, KickLine, TokenAnswer } from './contract.js';
import { JsonLinesParser } from './shared/logic/json-lines.js';

/** An answer that is none of those hoped for. Status 0: there was no answer. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** Seconds after which the server wants to be asked again; null where it does not say. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }
}

export type QueryValues = Readonly<Record<string, string | number | undefined>>;

/** The routes of the admin module, for a session client. */
export class Api {
  /** Asks the operator for the password and sends it with reauthenticate; false: given up. */
  askPassword: () => Promise<boolean> = () => Promise.resolve(false);

  constructor(
    private readonly base: string,
    private readonly urls: ConsoleUrls,
    private readonly session: SessionClient,
  ) {}

  get canConfirm(): boolean {
    return this.urls.reauthenticate !== null;
  }

  async get<Answer>(path: string, query: QueryValues = {}, signal?: AbortSignal): Promise<Answer> {
    const answer = await this.ask(withQuery(path, query), { signal: signal ?? null });
    return (await answer.json()) as Answer;
  }

  async send<Answer>(method: 'POST' | 'DELETE', path: string, body?: object): Promise<Answer> {
    const answer = await this.ask(path, { method, ...json(body) });
    return (answer.status === 204 ? {} : await answer.json()) as Answer;
  }

  async download(path: string, query: QueryValues): Promise<Blob> {
    return (await this.ask(withQuery(path, query), {})).blob();
  }

  /** Ends many, telling each line of progress. */
  async kick(body: object, onLine: (line: KickLine) => void): Promise<void> {
    const answer = await this.ask('/kick', { method: 'POST', ...json(body) });
    const lines = new JsonLinesParser<KickLine>();
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      for (const line of done ? lines.end() : lines.push(value)) onLine(line);
      if (done) return;
    }
  }

  async login(credentials: { username: string; password: string; deviceName: string }): Promise<void> {
    const body = json({ ...credentials, deviceType: 'console' });
    const answer = await checked(this.session.fetch(this.urls.login, { method: 'POST', ...body }));
    this.session.setTokens((await answer.json()) as TokenAnswer);
  }

  async reauthenticate(password: string): Promise<void> {
    await checked(this.session.fetch(this.urls.reauthenticate!, { method: 'POST', ...json({ password }) }));
  }

  /** Forgets the tokens in any case; an application that cannot be reached ends the session when it expires. */
  async logout(): Promise<void> {
    if (this.urls.logout !== null)
      await this.session.fetch(this.urls.logout, { method: 'POST' }).catch(() => undefined);
    this.session.clear();
  }

  private async ask(path: string, init: RequestInit): Promise<Response> {
    for (;;) {
      try {
        return await checked(this.session.fetch(this.base + path, init));
      } catch (error) {
        const fresh = error instanceof ApiError && error.code === 'FRESH_LOGIN_REQUIRED' && this.canConfirm;
        if (!fresh || !(await this.askPassword())) throw error;
      }
    }
  }
}

const json = (body?: object): RequestInit =>
  body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };

function withQuery(path: string, query: QueryValues): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    if (value !== undefined && value !== '') params.set(name, String(value));
  return params.size === 0 ? path : `${path}?${params.toString()}`;
}

/** The answer if it is a good one, else an ApiError; an abort stays what it is. */
async function checked(request: Promise<Response>): Promise<Response> {
  const answer = await request.catch((error: Error) => {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(0, 'NETWORK', error.message);
  });
  if (answer.ok) return answer;
  const body = (await answer.json().catch(() => ({}))) as { message?: string | string[]; errorCode?: string };
  const message = body.message === undefined ? answer.statusText : [body.message].flat().join(', ');
  const after = Number(answer.headers.get('retry-after') ?? Number.NaN);
  throw new ApiError(answer.status, body.errorCode ?? '', message, Number.isFinite(after) ? after : null);
}
