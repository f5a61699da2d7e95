import { Module } from '@nestjs/common';
import { GraphQLModule } from '@nestjs/graphql';
import { MercuriusDriver, type MercuriusDriverConfig } from '@nestjs/mercurius';
import { AccountsResolver } from '../graphql/accounts.resolver.js';
import { sessions } from '../graphql/sessions.js';

@Module({
  imports: [
    ...sessions,
    GraphQLModule.forRoot<MercuriusDriverConfig>({
      driver: MercuriusDriver,
      autoSchemaFile: true,
      allowBatchedQueries: true,
      // The guard closes the socket of a subscription when its session ends.
      subscription: { context: (socket) => ({ socket }) },
    }),
  ],
  providers: [AccountsResolver],
})
export class AppModule {}
