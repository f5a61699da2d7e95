import { invalidArgument } from './session-error.js';

/** Represents addresses as text that sorts like the addresses, in every collation: 32 hex digits of the address as IPv6. */

/** First and last key of a range of addresses, both included. */
export interface IpRange {
  readonly low: string;
  readonly high: string;
}

const KEY_DIGITS = 32;
const V4_BITS = 32;
const V6_BITS = 128;
/** Maps IPv4 into IPv6 as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2). */
const V4_PREFIX = '00000000000000000000ffff';
const MAX_TEXT = 128;
/** The zone of a link-local address (RFC 4007) names an interface of one host and is not part of the address. */
const ZONE = /%[0-9A-Za-z.:-]+$/;
/** Matches an address in brackets, or an IPv4 address, with an optional port, as proxies write it (RFC 7239 section 6). */
const WITH_PORT = /^(?:\[([^[\]]+)\]|([\d.]+))(?::\d{1,5})?$/;

/**
 * Reads an address as proxies, sockets and applications write it: strips port, brackets, zone and the mapping of IPv4
 * into IPv6, and spells the rest as RFC 5952. Null for anything else: no request fails because of an address.
 */
export function clientAddress(text: unknown): string | null {
  if (typeof text !== 'string' || text.length > MAX_TEXT) return null;
  const trimmed = text.trim();
  const [, bracketed, v4] = WITH_PORT.exec(trimmed) ?? [];
  const address = bracketed ?? v4 ?? trimmed;
  const key = ipKey(address);
  if (key?.startsWith(V4_PREFIX)) return [...Buffer.from(key.slice(V4_PREFIX.length), 'hex')].join('.');
  return key && new URL(`http://[${key.match(/.{4}/g)!.join(':')}]`).hostname.slice(1, -1);
}

/** Converts an address to its key. All spellings share one, as do an IPv4 address and its IPv6 form. Null for other text. */
export function ipKey(ip: unknown): string | null {
  if (typeof ip !== 'string' || ip.length > MAX_TEXT) return null;
  return ip.includes(':') ? v6Key(ip.replace(ZONE, '')) : v4Key(ip);
}

/** Parses an address, a network (`2001:db8::/32`; ignores host bits), or the beginning `192.0.2.` of an IPv4 address. */
export function ipRange(text: unknown): IpRange | null {
  if (typeof text !== 'string' || text.length > MAX_TEXT) return null;
  if (text.endsWith('.')) {
    const octets = text.slice(0, -1).split('.');
    const begin = octets.length > 3 ? null : v4Key([...octets, 0, 0, 0].slice(0, 4).join('.'));
    return begin === null ? null : network(begin, V6_BITS - V4_BITS + 8 * octets.length);
  }
  const slash = text.indexOf('/');
  if (slash < 0) {
    const key = ipKey(clientAddress(text));
    return key === null ? null : { low: key, high: key };
  }
  const [address, length] = [text.slice(0, slash), text.slice(slash + 1)];
  const isV4 = !address.includes(':');
  const key = isV4 ? v4Key(address) : v6Key(address);
  if (key === null || !/^(0|[1-9]\d{0,2})$/.test(length)) return null;
  const bits = Number(length);
  if (bits > (isV4 ? V4_BITS : V6_BITS)) return null;
  return network(key, isV4 ? V6_BITS - V4_BITS + bits : bits);
}

/** @param bits length of the network's prefix */
function network(key: string, bits: number): IpRange {
  const whole = bits >> 2;
  const head = key.slice(0, whole);
  if (whole === KEY_DIGITS) return { low: head, high: head };
  const rest = 0xf >> (bits & 3);
  const digit = parseInt(key[whole]!, 16);
  return {
    low: (head + (digit & ~rest).toString(16)).padEnd(KEY_DIGITS, '0'),
    high: (head + (digit | rest).toString(16)).padEnd(KEY_DIGITS, 'f'),
  };
}

/** Strict: four decimal numbers. Leading zeros are refused, because some parsers read them as octal. */
function v4Key(text: string): string | null {
  const octets = text.split('.').map((octet) => (/^(0|[1-9]\d{0,2})$/.test(octet) ? Number(octet) : Infinity));
  if (octets.length !== 4 || octets.some((octet) => octet > 255)) return null;
  return V4_PREFIX + Buffer.from(octets).toString('hex');
}

/** Parses with URL, which serializes as RFC 5952 says: no leading zeros, `::` for the first of the longest runs of zeros. */
function v6Key(text: string): string | null {
  const url = `http://[${text}]`;
  // URL skips tabs and line breaks.
  if (!/^[0-9A-Fa-f:.]+$/.test(text) || !URL.canParse(url)) return null;
  const halves = new URL(url).hostname.slice(1, -1).split('::');
  const [head, tail = ''] = halves.map((half) =>
    half.replace(/[^:]+:?/g, (group) => group.replace(':', '').padStart(4, '0')),
  );
  return head!.padEnd(KEY_DIGITS - tail.length, '0') + tail;
}

/** Null for text that is no address. @throws SessionError ARGUMENT_INVALID for another type: a bug, not input */
export function optionalAddress(value: unknown, name: string): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string') throw invalidArgument(name, 'must be a string');
  return clientAddress(value);
}
