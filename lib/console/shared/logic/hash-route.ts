/** A place of the console, as the fragment of the address says it: `#/user/7?ended=SESSION_KICKED`. */
export interface Route {
  /** Parts of the path, decoded; [] is the first page. */
  readonly path: readonly string[];
  /** Filters. Empty ones are left out. */
  readonly query: Readonly<Record<string, string>>;
}

/** Reads a fragment, with or without its #. What cannot be decoded is taken as it stands. */
export function parseRoute(hash: string): Route {
  const text = hash.replace(/^#/, '');
  const mark = text.indexOf('?');
  const path = (mark < 0 ? text : text.slice(0, mark)).split('/').filter((part) => part !== '');
  const pairs = mark < 0 ? [] : [...new URLSearchParams(text.slice(mark + 1))];
  return { path: path.map(decode), query: Object.fromEntries(pairs.filter(([, value]) => value !== '')) };
}

export function formatRoute(path: readonly string[], query: Readonly<Record<string, string | undefined>> = {}): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value) params.append(name, value);
  const text = params.toString();
  return `#/${path.map(encode).join('/')}${text === '' ? '' : `?${text}`}`;
}

/** A lone half of a surrogate pair has no encoding; it becomes U+FFFD, as in any other address. */
const encode = (part: string): string => encodeURIComponent(part.replace(/\p{Surrogate}/gu, '\uFFFD'));

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
