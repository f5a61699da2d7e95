import { Get, Header, StreamableFile } from '@nestjs/common';
import { CurrentSession, NoActivity, PresentedToken, type UserSession } from 'nestjs-latchkey';
import { JsonRoutes } from '../http/input.js';
import { LiveSessions } from './live-sessions.js';

@JsonRoutes('me')
export class LiveController {
  constructor(private readonly live: LiveSessions) {}

  /**
   * Server-sent events about the caller's own session: `event: end` with `{ errorCode, endedAt, replacedBy }` once it has
   * ended. A stream that ends without one says nothing: ask again. An open one is no use of the session.
   */
  @NoActivity()
  @Get('live')
  @Header('X-Accel-Buffering', 'no')
  stream(@CurrentSession() session: UserSession, @PresentedToken() token: string): StreamableFile {
    const stream = this.live.open(session, token);
    const file = new StreamableFile(stream, { type: 'text/event-stream' });
    // A client that goes away is how a stream usually ends.
    return file.setErrorLogger(() => undefined);
  }
}
