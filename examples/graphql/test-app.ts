import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import type { DynamicModule, Provider, Type } from '@nestjs/common';
import { GraphQLModule } from '@nestjs/graphql';
import { MercuriusDriver, type MercuriusDriverConfig } from '@nestjs/mercurius';
import { SessionModule, type SessionModuleOptions, multiDevice } from 'nestjs-latchkey';
import {
  type AdapterKind,
  type HttpApp,
  type RawAnswer,
  adapters,
  json,
  sessionOptions,
  startApp,
} from '../../test/nest/http-app.js';

/** Options that both drivers know, and those of the example. */
interface GraphqlOptions {
  readonly fieldResolverEnhancers?: ('guards' | 'filters')[];
  readonly context?: (...given: never[]) => object;
}

export interface Driver {
  readonly name: string;
  readonly adapter: AdapterKind;
  readonly module: (options: GraphqlOptions) => DynamicModule;
}

const apollo = (options: GraphqlOptions) =>
  GraphQLModule.forRoot<ApolloDriverConfig>({
    driver: ApolloDriver,
    autoSchemaFile: true,
    allowBatchedHttpRequests: true,
    subscriptions: { 'graphql-ws': true },
    ...(options as object),
  });

const mercurius = (options: GraphqlOptions) =>
  GraphQLModule.forRoot<MercuriusDriverConfig>({
    driver: MercuriusDriver,
    autoSchemaFile: true,
    allowBatchedQueries: true,
    subscription: { context: (socket: object) => ({ socket }), fullWsTransport: true },
    ...(options as object),
  });

export const drivers: readonly Driver[] = [
  { name: 'Apollo on Express', adapter: adapters[0]!, module: apollo },
  { name: 'Apollo on Fastify', adapter: adapters[1]!, module: apollo },
  { name: 'mercurius', adapter: adapters[1]!, module: mercurius },
];

/** Answer to one operation; to a batch, only its text counts. */
export interface GraphqlAnswer {
  readonly data: Readonly<Record<string, unknown>> | null;
  readonly errors?: readonly {
    readonly message: string;
    readonly path: readonly unknown[];
    readonly extensions: Readonly<Record<string, unknown>>;
  }[];
  readonly headers: RawAnswer['headers'];
  readonly status: number;
  readonly text: string;
}

export interface GraphqlApp extends HttpApp {
  /** Sends a query, or several in a batch, with header lines. */
  readonly query: (query: string | readonly string[], ...lines: string[]) => Promise<GraphqlAnswer>;
}

export const bearer = (token: string) => `Authorization: Bearer ${token}`;

/** Starts an application of these resolvers, whose SessionModule reads the database for every good token. */
export async function startGraphql(
  driver: Driver,
  resolvers: readonly Type[],
  {
    sessions,
    providers = [],
    ...options
  }: GraphqlOptions & { readonly sessions?: Partial<SessionModuleOptions>; readonly providers?: Provider[] } = {},
): Promise<GraphqlApp> {
  const session = sessionOptions({ policy: multiDevice(), ...sessions });
  const imports = [SessionModule.forRoot({ ...session, isGlobal: true }), driver.module(options)];
  const app = await startApp(
    driver.adapter,
    { imports, providers: [...resolvers, ...providers] },
    { trustProxy: true },
  );
  const query = async (text: string | readonly string[], ...lines: string[]) => {
    const body = typeof text === 'string' ? { query: text } : text.map((one) => ({ query: one }));
    const request = json('/graphql', body);
    const answer = await app.send({ ...request, lines: [...request.lines, ...lines] });
    return graphqlAnswer(answer);
  };
  return { ...app, query };
}

export function graphqlAnswer({ json: body, text, headers, status }: RawAnswer): GraphqlAnswer {
  return { data: null, ...body, text, headers, status };
}
