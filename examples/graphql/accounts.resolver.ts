import { setInterval } from 'node:timers/promises';
import { UseGuards } from '@nestjs/common';
import { Args, Field, ID, Int, Mutation, ObjectType, Query, Resolver, Subscription } from '@nestjs/graphql';
import {
  AuthGuard,
  CurrentSession,
  CurrentUser,
  Public,
  SessionService,
  TokenService,
  type UserSession,
} from 'nestjs-latchkey';

@ObjectType()
export class User {
  @Field(() => ID) readonly userId!: string;
}

@Resolver()
@UseGuards(AuthGuard)
export class AccountsResolver {
  constructor(
    private readonly tokens: TokenService,
    private readonly sessions: SessionService,
  ) {}

  /** Returns an access token. Check a password first: that part is yours. */
  @Public()
  @Mutation(() => String)
  async login(@Args('name') name: string): Promise<string> {
    return (await this.tokens.login(name)).accessToken;
  }

  /** Ends the session, which closes its sockets. */
  @Mutation(() => Boolean)
  async logout(@CurrentSession() { userId, id }: UserSession): Promise<boolean> {
    await this.sessions.end(userId, id);
    return true;
  }

  @Public()
  @Query(() => String)
  public(): string {
    return 'open to all';
  }

  /** Null beside its error, so that a client without a token still gets the rest of its query. */
  @Query(() => User, { nullable: true })
  me(@CurrentUser() user: User): User {
    return user;
  }

  /** Seconds since the login, until the session ends. */
  @Subscription(() => Int)
  async *ticks(@CurrentSession() session: UserSession): AsyncGenerator<{ ticks: number }> {
    let ticks = Math.floor((Date.now() - session.createdAt) / 1000);
    yield { ticks };
    for await (const seconds of setInterval(1000, 1)) yield { ticks: (ticks += seconds) };
  }
}
