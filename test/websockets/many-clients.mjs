import { WebSocket } from 'ws';

/**
 * Opens sockets in a process of its own, since one process may not have files for both ends of all. Tells when all are open,
 * and then how many closed for each reason.
 */
process.once('message', async ({ port, tokens, each }) => {
  const reasons = {};
  let closed = 0;
  const open = (token) =>
    new Promise((resolve) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}`, ['latchkey', token]);
      socket.once('open', resolve);
      socket.once('close', (code, reason) => {
        reasons[`${code} ${reason}`] = (reasons[`${code} ${reason}`] ?? 0) + 1;
        if (++closed === tokens.length * each) process.send({ reasons }, () => process.exit());
      });
    });
  for (const token of tokens) await Promise.all(Array.from({ length: each }, () => open(token)));
  process.send({ open: closed === 0 });
});
