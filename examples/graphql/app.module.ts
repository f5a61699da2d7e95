import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { Module } from '@nestjs/common';
import { GraphQLModule } from '@nestjs/graphql';
import { AccountsResolver } from './accounts.resolver.js';
import { sessions } from './sessions.js';

@Module({
  imports: [
    ...sessions,
    GraphQLModule.forRoot<ApolloDriverConfig>({
      driver: ApolloDriver,
      autoSchemaFile: true,
      allowBatchedHttpRequests: true,
      subscriptions: { 'graphql-ws': true },
    }),
  ],
  providers: [AccountsResolver],
})
export class AppModule {}
