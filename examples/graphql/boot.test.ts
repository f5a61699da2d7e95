import { describe, expect, it } from '@jest/globals';
import { type Type, UseGuards } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { Field, ObjectType, Query, ResolveField, ResolveReference, Resolver, Subscription } from '@nestjs/graphql';
import { AuthGuard, CurrentUser, OptionalAuth, Public, RequireRole, Sensitive } from 'nestjs-latchkey';
import { type Driver, bearer, drivers, startGraphql } from './test-app.js';

@ObjectType()
class Post {
  @Field(() => String) readonly title!: string;
}

/** Declares a resolver of posts, with decorators on its field `secret` and on the class. */
function postsWith(field: readonly MethodDecorator[], type: readonly ClassDecorator[] = []): Type {
  @Resolver(() => Post)
  class PostResolver {
    @Public()
    @Query(() => Post)
    post() {
      return { title: 'a post' };
    }

    @ResolveField(() => String, { nullable: true })
    secret(@CurrentUser('userId') userId: string | null) {
      return `for ${userId}`;
    }
  }
  const descriptor = Object.getOwnPropertyDescriptor(PostResolver.prototype, 'secret')!;
  for (const decorate of field) decorate(PostResolver.prototype, 'secret', descriptor);
  for (const decorate of type) decorate(PostResolver);
  return PostResolver;
}

@Resolver()
class OpenQuery {
  @RequireRole('admin')
  @Query(() => String)
  reports() {
    return '';
  }
}

@Resolver()
class OpenSubscription {
  @Query(() => String)
  ping() {
    return '';
  }

  @Sensitive()
  @Subscription(() => String)
  async *reports() {}
}

/** As in a subgraph of a federation. */
@Resolver(() => Post)
class ReferenceResolver {
  @Query(() => Post)
  first() {
    return { title: 'a post' };
  }

  @RequireRole('admin')
  @UseGuards(AuthGuard)
  @ResolveReference()
  reference() {
    return { title: 'a post' };
  }
}

async function bootWith(driver: Driver, resolver: Type, enhancers: ('guards' | 'filters')[]): Promise<string> {
  try {
    const app = await startGraphql(driver, [resolver], { fieldResolverEnhancers: enhancers });
    await app.close();
    return 'starts';
  } catch (error) {
    return (error as Error).message;
  }
}

const ignored = (what: string, place = 'PostResolver.secret()') =>
  `${place} has ${what}, but GraphQLModule runs no guards`;

describe.each(drivers)('the boot with GraphQL by $name', (driver) => {
  it.each<[string, Type, string]>([
    ['a rule of a query', OpenQuery, 'OpenQuery.reports() has @RequireRole(), but no AuthGuard'],
    ['a rule of a subscription', OpenSubscription, 'OpenSubscription.reports() has @Sensitive(), but no AuthGuard'],
    ['AuthGuard on a field', postsWith([UseGuards(AuthGuard)]), ignored('AuthGuard')],
    ['an optional login on a field', postsWith([OptionalAuth()]), ignored('AuthGuard')],
    ['a rule of a field', postsWith([RequireRole('admin')], [UseGuards(AuthGuard)]), ignored('@RequireRole()')],
    ['a rule of the class of a field', postsWith([], [UseGuards(AuthGuard), Sensitive()]), ignored('@Sensitive()')],
    ['a rule of a reference', ReferenceResolver, ignored('@RequireRole()', 'ReferenceResolver.reference()')],
  ])('stops for %s that nothing enforces, and names the handler', async (_title, resolver, message) => {
    expect(await bootWith(driver, resolver, ['filters'])).toContain(message);
  });

  it.each<[string, Type, ('guards' | 'filters')[]]>([
    ['with the option', postsWith([UseGuards(AuthGuard), Sensitive()]), ['guards']],
    ['with the option, for a reference', ReferenceResolver, ['guards']],
    ['with a guard of the class, which guards its queries', postsWith([], [UseGuards(AuthGuard)]), []],
  ])('goes on %s', async (_title, resolver, enhancers) => {
    expect(await bootWith(driver, resolver, enhancers)).toBe('starts');
  });

  it('runs the guard of a field below a public one', async () => {
    const resolvers = [postsWith([RequireRole('editor'), UseGuards(AuthGuard)])];
    const app = await startGraphql(driver, resolvers, { fieldResolverEnhancers: ['guards'] });
    try {
      const { accessToken } = await app.tokens.login('alice', { claims: { roles: ['editor'] } });
      const good = await app.query('{ post { title secret } }', bearer(accessToken));
      expect(good.data).toEqual({ post: { title: 'a post', secret: 'for alice' } });
      const none = await app.query('{ post { title secret } }');
      expect(none.data).toEqual({ post: { title: 'a post', secret: null } });
      expect(none.errors![0]).toMatchObject({ path: ['post', 'secret'], extensions: { errorCode: 'TOKEN_MISSING' } });
    } finally {
      await app.close();
    }
  });

  it('guards all fields with APP_GUARD', async () => {
    const guard = { provide: APP_GUARD, useClass: AuthGuard };
    const app = await startGraphql(driver, [postsWith([])], { fieldResolverEnhancers: ['guards'], providers: [guard] });
    try {
      const { errors } = await app.query('{ post { title secret } }');
      expect(errors).toMatchObject([{ path: ['post', 'secret'] }]);
    } finally {
      await app.close();
    }
  });
});
