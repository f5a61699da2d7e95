import { useEffect, useState } from 'preact/hooks';
import { formatRoute, parseRoute, type Route } from '../logic/hash-route.js';

const listeners = new Set<() => void>();

/** Goes to a place of the console. With replace, "back" does not come to the place before it, as while somebody types. */
export function navigate(
  path: readonly string[],
  query: Readonly<Record<string, string | undefined>> = {},
  { replace = false } = {},
): void {
  const hash = formatRoute(path, query);
  if (hash === location.hash) return;
  history[replace ? 'replaceState' : 'pushState'](null, '', hash);
  for (const listener of listeners) listener();
}

/** Changes parameters of the address; undefined removes one. */
export type SetQuery = (change: Readonly<Record<string, string | undefined>>, options?: { replace?: boolean }) => void;

/** Changes filters of the place where the console is now, whatever it was when the caller was drawn; undefined takes one away. */
export function changeQuery(
  change: Readonly<Record<string, string | undefined>>,
  options?: { replace?: boolean },
): void {
  const { path, query } = parseRoute(location.hash);
  navigate(path, { ...query, ...change }, options);
}

export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const listener = (): void => setHash(location.hash);
    listeners.add(listener);
    addEventListener('hashchange', listener);
    addEventListener('popstate', listener);
    return () => {
      listeners.delete(listener);
      removeEventListener('hashchange', listener);
      removeEventListener('popstate', listener);
    };
  }, []);
  return parseRoute(hash);
}
