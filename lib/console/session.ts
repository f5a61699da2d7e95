import type { SessionEndNotice, TokenAnswer } from './contract.js';

/** What the console needs of the browser client. */
export interface SessionClient {
  setTokens(tokens: TokenAnswer): void;
  fetch(input: string, init?: RequestInit): Promise<Response>;
  readonly token: string | null;
  clear(): void;
  subscribe(listener: () => void): () => void;
}

const KEY = 'session-console.token';

/** @param onEnd called once when the server no longer takes the token */
export function createConsoleSession(refreshUrl: string | null, onEnd: (end: SessionEndNotice) => void): SessionClient {
  const listeners = new Set<() => void>();
  const read = (): TokenAnswer | null => JSON.parse(localStorage.getItem(KEY) ?? 'null') as TokenAnswer | null;
  const write = (tokens: TokenAnswer | null): void => {
    if (tokens === null) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, JSON.stringify(tokens));
    for (const listener of listeners) listener();
  };
  addEventListener('storage', (event) => {
    if (event.key === KEY) for (const listener of listeners) listener();
  });
  const send = async (input: string, init: RequestInit, token: string | undefined): Promise<Response> => {
    const headers = new Headers(init.headers);
    if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
    const answer = await fetch(input, { ...init, headers });
    const renewed = answer.headers.get('x-renewed-token');
    const now = read();
    if (renewed !== null && now !== null) write({ ...now, accessToken: renewed });
    return answer;
  };
  const refresh = async (refreshToken: string): Promise<boolean> => {
    const answer = await fetch(refreshUrl!, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ refreshToken }),
    });
    if (answer.ok) write((await answer.json()) as TokenAnswer);
    return answer.ok;
  };
  return {
    setTokens: write,
    clear: () => write(null),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    get token() {
      return read()?.accessToken ?? null;
    },
    async fetch(input, init = {}) {
      const tokens = read();
      const answer = await send(input, init, tokens?.accessToken);
      if (answer.status !== 401 || tokens === null) return answer;
      if (refreshUrl !== null && tokens.refreshToken !== undefined && (await refresh(tokens.refreshToken)))
        return send(input, init, read()?.accessToken);
      if (read()?.accessToken === tokens.accessToken) {
        write(null);
        const body = (await answer
          .clone()
          .json()
          .catch(() => ({}))) as Partial<SessionEndNotice>;
        onEnd({ ...body, errorCode: body.errorCode ?? 'TOKEN_INVALID' });
      }
      return answer;
    },
  };
}
