import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ApiError } from '../../api.js';

/** Seconds to the next attempt where the server does not say. */
const RETRY = 10;

export interface Load<Data> {
  /** The last answer; it stays while the next one is awaited, and while the same request fails for a while. */
  readonly data: Data | undefined;
  readonly error: ApiError | undefined;
  readonly loading: boolean;
  /** When it is tried again by itself, in ms. */
  readonly retryAt: number | undefined;
  readonly reload: () => void;
}

/**
 * Asks the server whenever the key changes; the request before it is aborted. What may pass (no answer, 503) is tried again after
 * the time that the server names.
 */
export function useLoad<Data>(key: string, load: (signal: AbortSignal) => Promise<Data>): Load<Data> {
  const [state, setState] = useState<Omit<Load<Data>, 'reload'>>({
    data: undefined,
    error: undefined,
    loading: true,
    retryAt: undefined,
  });
  const [round, setRound] = useState(0);
  const latest = useRef(load);
  const answered = useRef<string>(undefined);
  latest.current = load;
  const reload = useCallback(() => setRound((n) => n + 1), []);
  useEffect(() => {
    const request = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    setState((before) => ({ ...before, loading: true, retryAt: undefined }));
    latest.current(request.signal).then(
      (data) => {
        if (request.signal.aborted) return;
        answered.current = key;
        setState({ data, error: undefined, loading: false, retryAt: undefined });
      },
      (cause: Error) => {
        if (request.signal.aborted) return;
        const error = cause instanceof ApiError ? cause : new ApiError(-1, '', cause.message);
        const again =
          error.status === 0 || error.status === 503 ? Math.max(1, error.retryAfter ?? RETRY) * 1000 : undefined;
        if (again !== undefined) timer = setTimeout(reload, again);
        const retryAt = again === undefined ? undefined : Date.now() + again;
        // What was found by another filter is no answer to this one, and what is refused now is not shown on.
        const stays = again !== undefined && answered.current === key;
        setState((before) => ({ data: stays ? before.data : undefined, error, loading: false, retryAt }));
      },
    );
    return () => {
      request.abort();
      clearTimeout(timer);
    };
  }, [key, round]);
  return { ...state, reload };
}
