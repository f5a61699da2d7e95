import type { HttpAdapterHost } from '@nestjs/core';

interface FastifyInstance {
  addHook(name: 'onRequest', hook: (request: { raw: object }, reply: object, done: () => void) => void): unknown;
}

/** Replies of Fastify by Node's request. */
const replies = new WeakMap<object, object>();

/** Remembers the reply to each request of a Fastify application: Apollo's default context holds the request alone. */
export function rememberReplies({ httpAdapter }: HttpAdapterHost): void {
  if ((httpAdapter as typeof httpAdapter | undefined)?.getType() !== 'fastify') return;
  httpAdapter.getInstance<FastifyInstance>().addHook('onRequest', ({ raw }, reply, done) => {
    replies.set(raw, reply);
    done();
  });
}

/** Returns the response to a request of Express or Fastify; null if there is none. */
export function responseOf(request: object): unknown {
  const { res, raw = request } = request as { readonly res?: unknown; readonly raw?: object };
  return res ?? replies.get(raw) ?? null;
}
