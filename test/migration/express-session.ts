import { createHash } from 'node:crypto';
import { Controller, Post, Req, UnauthorizedException } from '@nestjs/common';
import { LoginDetails, Public, SessionAnswer, TokenService } from 'nestjs-latchkey';

/** What the application has kept in express-session. */
interface OldRequest {
  readonly sessionID: string;
  readonly session: { readonly userId?: string; destroy(done: (error?: Error) => void): void };
}

@Controller('auth')
export class ExchangeController {
  constructor(private readonly tokens: TokenService) {}

  /** Takes a login of express-session, and answers like a login. */
  @Public()
  @SessionAnswer()
  @Post('exchange')
  async exchange(@Req() { session, sessionID }: OldRequest, @LoginDetails() from: LoginDetails) {
    if (session.userId === undefined) throw new UnauthorizedException();
    // One session for one old login, also if two tabs ask at once: the second takes the place of the first.
    const deviceId = createHash('sha256').update(sessionID).digest('hex');
    const login = await this.tokens.login(session.userId, { ...from, deviceId });
    await new Promise<void>((resolve, reject) => session.destroy((error) => (error ? reject(error) : resolve())));
    return login;
  }
}
