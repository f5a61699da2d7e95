import { HttpException, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { SessionService, TokenService, type UserSession } from 'nestjs-latchkey';
import { EndedHere } from './ended-here.js';
import { endNotice } from './end-notice.js';
import { EventStream } from './event-stream.js';

/** Streams of one session, whose tabs may each have one. The oldest makes way for one more. */
const MAX_PER_SESSION = 8;
const MAX_STREAMS = 10_000;
/** After this a client has to ask again, and its token is looked at again. */
const LONGEST_MS = 60 * 60_000;

/** The open streams of this process. They are closed before the server waits for its connections to come to an end. */
@Injectable()
export class LiveSessions implements OnModuleDestroy {
  private readonly streams = new Map<string, Set<EventStream>>();
  private count = 0;
  private isStopping = false;

  constructor(
    private readonly tokens: TokenService,
    private readonly sessions: SessionService,
    private readonly endedHere: EndedHere,
  ) {}

  /**
   * A stream that says `event: end` when the session has ended, or its account is banned, and ends with it. It ends without a word
   * when the token runs out: the client comes again with the next one.
   * @throws HttpException 503 where too many of them are open
   */
  open(session: UserSession, token: string): EventStream {
    const own = this.streams.get(session.id) ?? new Set();
    if (own.size >= MAX_PER_SESSION) [...own][0]!.close();
    if (this.count >= MAX_STREAMS) throw new HttpException('Too many streams are open. Try again shortly.', 503);
    const tell = (reason: string) => void this.tellEnd(stream, session, reason);
    const stopWatching = this.tokens.watch(token, ({ reason }) =>
      reason === 'TOKEN_EXPIRED' ? stream.close() : tell(reason),
    );
    const stopListening = this.endedHere.listen(session.id, () => tell('SESSION_EXPIRED'));
    const longest = setTimeout(() => stream.close(), LONGEST_MS);
    const stream = new EventStream(() => {
      clearTimeout(longest);
      stopWatching();
      stopListening();
      this.count--;
      own.delete(stream);
      if (own.size === 0 && this.streams.get(session.id) === own) this.streams.delete(session.id);
    });
    this.streams.set(session.id, own.add(stream));
    this.count++;
    if (this.isStopping) stream.close();
    return stream;
  }

  onModuleDestroy(): void {
    this.isStopping = true;
    for (const own of this.streams.values()) for (const stream of own) stream.close();
  }

  /** Where the reason cannot be read, the client hears it with its next request. */
  private async tellEnd(stream: EventStream, session: UserSession, reason: string): Promise<void> {
    try {
      const end = await this.sessions.explainEnd(session.id);
      stream.finish('end', endNotice(end, session, reason, this.tokens.now()));
    } catch {
      stream.close();
    }
  }
}
