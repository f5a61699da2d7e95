import type { AddressInfo } from 'node:net';

/** Where a server can be reached from its own machine, such as `http://127.0.0.1:3000`. */
export function originOf({ address, family, port }: AddressInfo): string {
  if (address === '0.0.0.0' || address === '::') return `http://127.0.0.1:${port}`;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
