import { describe, expect, it } from '@jest/globals';
import { type ExecutionContext, Injectable, UseGuards } from '@nestjs/common';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { Query, Resolver } from '@nestjs/graphql';
import { AuthGuard, CurrentUser, type SessionModuleOptions } from 'nestjs-latchkey';
import { operationOf } from 'lib/operation.js';
import { bearer, drivers, startGraphql } from './test-app.js';

/** Finds the request itself, as guards did before this library knew GraphQL. */
@Injectable()
class OwnGuard extends AuthGuard {
  override getRequest(context: ExecutionContext) {
    return context.getArgByIndex<{ own: { headers: Record<string, unknown> } }>(2).own;
  }
}

@Resolver()
class MineResolver {
  @UseGuards(AuthGuard)
  @Query(() => String, { nullable: true })
  mine(@CurrentUser('userId') userId: string) {
    return userId;
  }

  @UseGuards(OwnGuard)
  @Query(() => String, { nullable: true })
  own(@CurrentUser('userId') userId: string) {
    return userId;
  }
}

/** Hides the request of both drivers: Apollo gives it as a property or as such, mercurius as such. */
const own = (given: { req?: object }) => ({ req: {}, own: given.req ?? given });
type Own = ReturnType<typeof own>;

describe.each(drivers)('a GraphQL context of an application by $name', (driver) => {
  async function answerWith(graphql?: SessionModuleOptions['graphql']) {
    const app = await startGraphql(driver, [MineResolver], { context: own, sessions: { ...(graphql && { graphql }) } });
    try {
      const { accessToken } = await app.tokens.login('alice');
      const { data, errors = [] } = await app.query('{ mine own }', bearer(accessToken));
      return { data, refused: errors.map(({ extensions }) => extensions.errorCode) };
    } finally {
      await app.close();
    }
  }

  it('is read by the option `graphql`, and by a subclass', async () => {
    const found = await answerWith(({ own: request }: Own) => ({ request }));
    expect(found).toEqual({ data: { mine: 'alice', own: 'alice' }, refused: [] });
  });

  it.each<[string, SessionModuleOptions['graphql']]>([
    ['without the option', undefined],
    ['with one that finds nothing', () => ({}) as never],
    ['with one that returns nothing', () => undefined as never],
    ['with one that finds something else', () => ({ request: { headers: 'none' } })],
  ])('without a request admits no one: %s', async (_title, graphql) => {
    expect(await answerWith(graphql)).toEqual({
      data: { mine: null, own: 'alice' },
      refused: ['CONFIGURATION_INVALID'],
    });
  });
});

describe('the context of a field', () => {
  const request = { headers: {} };
  const info = (operation = 'query') => ({ operation: { operation }, variableValues: {} });
  const socket = { close: () => undefined, once: () => undefined };
  const find = (...args: unknown[]) =>
    operationOf(
      new ExecutionContextHost(
        args,
        MineResolver,
        Object.getOwnPropertyDescriptor(MineResolver.prototype, 'mine')!.value as () => unknown,
      ),
      undefined,
    );

  it('is the last but one of three or four arguments', () => {
    expect(find({}, {}, { req: request }, info()).request).toBe(request);
    expect(find({}, { req: request }, info()).request).toBe(request);
  });

  it.each([[[]], [[{ req: request }]], [[{}, { req: request }]], [[{ req: request }, { req: request }, null, info()]]])(
    'is nothing else: %j',
    (args) => expect(() => find(...args)).toThrow('MineResolver.mine() holds no request with headers'),
  );

  it('needs a socket for a subscription, which its session closes', () => {
    const extra = { request, socket };
    expect(find({}, {}, { req: { extra } }, info('subscription'))).toMatchObject({ socket, response: null });
    expect(find({}, {}, { req: {}, extra }, info('subscription')).socket).toBe(socket);
    for (const context of [{ req: request }, { request, _connectionInit: {} }, { req: { extra: { request } } }]) {
      expect(() => find({}, {}, context, info('subscription'))).toThrow(
        'holds no socket to close when the session ends',
      );
    }
  });
});
