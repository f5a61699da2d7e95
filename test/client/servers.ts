import { once } from 'node:events';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly contentType: string | undefined;
  readonly lastEventId: string | undefined;
  readonly body: string;
}

export interface TestServer {
  readonly url: string;
  readonly received: Received[];
  at(path: string): readonly Received[];
  close(): Promise<void>;
}

/** Starts a server on a free port; `answer` is called with each request, its body read. */
export async function startServer(
  answer: (request: Received, response: ServerResponse) => unknown,
): Promise<TestServer> {
  const received: Received[] = [];
  const server = createServer((incoming, response) => {
    void readBody(incoming).then((body) => {
      const { authorization, 'content-type': contentType } = incoming.headers;
      const lastEventId = incoming.headers['last-event-id'] as string | undefined;
      const request = { method: incoming.method!, path: incoming.url!, authorization, contentType, lastEventId, body };
      received.push(request);
      return answer(request, response);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    at: (path) => received.filter((request) => request.path === path),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export function reply(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}) {
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(body));
}

export function refuse(response: ServerResponse, errorCode: string, details: object = {}, status = 401) {
  reply(response, status, { statusCode: status, message: `It is ${errorCode}.`, errorCode, ...details });
}

async function readBody(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
