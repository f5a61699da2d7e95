import { createHash } from 'node:crypto';
import { Controller, Headers, Inject, Post, UnauthorizedException } from '@nestjs/common';
import type { Redis } from 'ioredis';
import { LoginDetails, Public, SessionAnswer, TokenService } from 'nestjs-latchkey';

@Controller('auth')
export class ExchangeController {
  constructor(
    private readonly tokens: TokenService,
    @Inject('SA_TOKEN_REDIS') private readonly redis: Redis,
  ) {}

  /** Takes a token of Sa-Token, once, and answers like a login. `satoken` is its `token-name`. */
  @Public()
  @SessionAnswer()
  @Post('exchange')
  async exchange(@Headers('satoken') token: string | undefined, @LoginDetails() from: LoginDetails) {
    const key = `satoken:login:token:${token}`;
    const loginId = await this.redis.get(key);
    // Negative numbers say why a token is over: -4 replaced, -5 kicked.
    if (loginId === null || loginId.startsWith('-')) throw new UnauthorizedException();
    const deviceId = createHash('sha256').update(key).digest('hex');
    const login = await this.tokens.login(loginId, { ...from, presentedToken: null, deviceId });
    await this.redis.del(key);
    return login;
  }
}
