import { type AddressInfo, type Socket, connect, createServer } from 'node:net';

/** A TCP proxy in front of a server that lets every request through and loses replies. */
export interface LossyProxy {
  readonly port: number;
  /** How many replies it has lost. */
  readonly lost: () => number;
  close(): Promise<void>;
}

/** @param loses asked for every connection when its reply begins: the server has done its work by then */
export async function startLossyProxy(target: number, loses: () => boolean): Promise<LossyProxy> {
  const sockets = new Set<Socket>();
  let lost = 0;
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    }
    client.pipe(upstream);
    upstream.once('data', (first) => {
      if (loses()) {
        lost++;
        client.destroy();
        upstream.resume();
      } else {
        client.write(first);
        upstream.pipe(client);
      }
    });
    client.on('close', () => upstream.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    lost: () => lost,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
