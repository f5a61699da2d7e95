import { fork } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from '@jest/globals';
import { WebSocketGateway, WebSocketServer } from '@nestjs/websockets';
import { SessionWsAdapter, sessionOf } from 'nestjs-latchkey/websockets';
import { type Server, WebSocket } from 'ws';
import { useNodes } from '../support/doors.js';
import { collectGarbage } from '../support/memory.js';
import { rounds } from '../support/size.js';
import { until } from '../support/until.js';

@WebSocketGateway()
class FeedGateway {
  @WebSocketServer() server!: Server;
}

const SESSIONS = 20;
const start = useNodes();

it('closes all sockets of a user at one call on another node, and forgets them', async () => {
  const node = await start(
    { providers: [FeedGateway] },
    { configure: (app) => app.useWebSocketAdapter(new SessionWsAdapter(app)) },
  );
  const other = await start({});
  const total = rounds('openSockets');
  const kept = new WebSocket(`ws://127.0.0.1:${node.port}`, ['latchkey', (await node.tokens.login('bob')).accessToken]);
  await once(kept, 'open');
  const logins = Array.from({ length: SESSIONS }, () => node.tokens.login('alice'));
  const tokens = (await Promise.all(logins)).map(({ accessToken }) => accessToken);
  const clients = fork(new URL('./many-clients.mjs', import.meta.url));
  clients.send({ port: node.port, tokens, each: total / SESSIONS });
  expect(await once(clients, 'message')).toEqual([{ open: true }, undefined]);
  const { server } = node.app.get(FeedGateway);
  await until(() => server.clients.size === total + 1);
  const sockets = [...server.clients]
    .filter((one) => sessionOf(one)?.userId === 'alice')
    .map((one) => new WeakRef(one));
  expect(sockets).toHaveLength(total);

  const closed = once(clients, 'message');
  expect(await other.operators.kickUser('alice', { by: 'root' })).toBe(SESSIONS);
  expect(await closed).toEqual([{ reasons: { '4401 SESSION_KICKED': total } }, undefined]);
  await until(() => server.clients.size === 1);
  expect(kept.readyState).toBe(WebSocket.OPEN);

  // Node keeps the last few connections of a server a while.
  await until(() => {
    collectGarbage();
    return sockets.filter((one) => one.deref()).length <= total / 10;
  });
  kept.terminate();
});
