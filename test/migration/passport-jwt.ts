import { createHash } from 'node:crypto';
import { Controller, Headers, Post, UnauthorizedException } from '@nestjs/common';
import jwt from 'jsonwebtoken';
import { LoginDetails, Public, SessionAnswer, SessionService, TokenService } from 'nestjs-latchkey';

@Controller('auth')
export class ExchangeController {
  constructor(
    private readonly tokens: TokenService,
    private readonly sessions: SessionService,
  ) {}

  /** Takes a JWT of before, once, and answers like a login. */
  @Public()
  @SessionAnswer()
  @Post('exchange')
  async exchange(@Headers('authorization') header: string | undefined, @LoginDetails() from: LoginDetails) {
    const { userId, issuedAt, hash } = readOldToken(header?.replace(/^Bearer /i, '') ?? '');
    const data = this.sessions.accountData(userId);
    // A JWT cannot be ended, so that it would open another session after a logout.
    if (await data.get(`jwt ${hash}`)) throw new UnauthorizedException();
    const login = await this.tokens.login(userId, {
      ...from,
      // The JWT itself, which is no token of this library.
      presentedToken: null,
      // One session for one JWT, also if two tabs ask at once.
      deviceId: hash,
      // Refused if the password was changed since, by revokeSessions.
      authenticatedAt: issuedAt,
    });
    await data.set(`jwt ${hash}`, true);
    return login;
  }
}

function readOldToken(token: string): { readonly userId: string; readonly issuedAt: number; readonly hash: string } {
  try {
    const { sub, iat } = jwt.verify(token, process.env.JWT_SECRET!, { algorithms: ['HS256'] }) as jwt.JwtPayload;
    return { userId: sub!, issuedAt: iat! * 1000, hash: createHash('sha256').update(token).digest('hex') };
  } catch {
    throw new UnauthorizedException();
  }
}
