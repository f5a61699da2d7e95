import { createServer } from 'node:net';

/**
 * Asks the kernel for a TCP port on 127.0.0.1 that nobody listens on at this moment.
 *
 * @returns {Promise<number>}
 */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}

/**
 * Calls `start` with a free port. Between asking for a port and listening on it another process can take it, so a start
 * that fails because the address is in use is repeated on another port.
 *
 * @template T
 * @param {(port: number) => Promise<T>} start
 * @param {number} [attempts]
 * @returns {Promise<T>}
 */
export async function onFreePort(start, attempts = 4) {
  for (;;) {
    try {
      return await start(await freePort());
    } catch (error) {
      attempts -= 1;
      if (attempts <= 0 || !/address already in use/i.test(String(error))) throw error;
    }
  }
}
