import type { ModulesContainer } from '@nestjs/core';

/** Options of GraphQLModule, by the token under which @nestjs/graphql provides them. */
const OPTIONS = 'GqlModuleOptions';
/** Metadata of ResolveField and ResolveReference. */
const FIELDS = ['graphql:resolve_property', 'graphql:resolve_reference'];

interface GraphqlOptions {
  readonly include?: readonly unknown[];
  readonly fieldResolverEnhancers?: readonly string[];
}

/** Options of all GraphQLModules of an application; empty if it has no GraphQL. */
export function graphqlOptionsOf(modules: ModulesContainer): readonly GraphqlOptions[] {
  return [...modules.values()].flatMap(({ providers }) => {
    const options: unknown = providers.get(OPTIONS)?.instance;
    return typeof options === 'object' && options !== null ? [options] : [];
  });
}

/** True for a field whose guards a GraphQLModule ignores: it runs those of root fields alone unless told otherwise. */
export function ignoresGuards(all: readonly GraphqlOptions[], handler: object, module: unknown): boolean {
  if (!FIELDS.some((key) => Reflect.getMetadata(key, handler) === true)) return false;
  return all.some(
    ({ include = [], fieldResolverEnhancers = [] }) =>
      (include.length === 0 || include.includes(module)) && !fieldResolverEnhancers.includes('guards'),
  );
}
