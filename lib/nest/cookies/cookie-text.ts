import { MAX_TOKEN_LENGTH } from '../../tokens/token-codec.js';

const TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/;

/** Attributes of a cookie, beside HttpOnly, which all of ours have. */
export interface CookieAttributes {
  readonly path: string;
  readonly secure: boolean;
  readonly sameSite: string;
  readonly domain: string | null;
  readonly partitioned: boolean;
  /** Seconds; 0 removes the cookie, null keeps it until the browser closes. */
  readonly maxAge: number | null;
}

/**
 * Returns the values of all cookies with exactly this name in a Cookie header. Removes spaces and tabs only: a parser that
 * trims more takes ` __Host-session` with another space for ours, whose prefix no browser has checked.
 */
export function cookieValues(header: unknown, name: string): readonly string[] {
  if (typeof header !== 'string' || !header.includes(name)) return [];
  const values: string[] = [];
  for (let start = 0, end = 0, at = -1; end < header.length; start = end + 1) {
    const next = header.indexOf(';', start);
    end = next === -1 ? header.length : next;
    // Searched for once, however many pairs have none.
    if (at < start) at = header.indexOf('=', start);
    if (at === -1) break;
    if (at < end && trimmed(header, start, at) === name) values.push(trimmed(header, at + 1, end));
  }
  return values;
}

function trimmed(text: string, from: number, to: number): string {
  let [start, end] = [from, to];
  while (start < end && isSpace(text[start])) start++;
  while (end > start && isSpace(text[end - 1])) end--;
  return text.slice(start, end);
}

function isSpace(character: string | undefined): boolean {
  return character === ' ' || character === '\t';
}

/** True for text that may be a token: token68 (RFC 6750 section 2.1). */
export function isToken(value: string): boolean {
  return value.length <= MAX_TOKEN_LENGTH && TOKEN.test(value);
}

/** Writes a Set-Cookie header. Name and value consist of characters that need no quotes. */
export function setCookie(name: string, value: string, attributes: CookieAttributes): string {
  const { path, secure, sameSite, domain, partitioned, maxAge } = attributes;
  return [
    `${name}=${value}`,
    ...(maxAge === null ? [] : [`Max-Age=${maxAge}`]),
    ...(domain === null ? [] : [`Domain=${domain}`]),
    `Path=${path}`,
    'HttpOnly',
    ...(secure ? ['Secure'] : []),
    `SameSite=${sameSite}`,
    ...(partitioned && secure ? ['Partitioned'] : []),
  ].join('; ');
}
