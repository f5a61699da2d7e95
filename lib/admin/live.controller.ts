import { Headers, type MessageEvent, Sse } from '@nestjs/common';
import { Observable } from 'rxjs';
import { TokenService } from '../core/token-service.js';
import { NoActivity } from '../nest/decorators.js';
import { toEventItem } from './admin-items.js';
import { AdminRoutes } from './admin-route.js';
import { LiveFeed, type LiveNews, isEventId } from './live-feed.js';
import { CurrentOperator, type KnownOperator } from './operator.js';
import { UserDirectory } from './user-directory.js';

/** What happens, as server-sent events, until the session of the operator ends. */
@AdminRoutes('live')
export class LiveController {
  constructor(
    private readonly feed: LiveFeed,
    private readonly tokens: TokenService,
    private readonly users: UserDirectory,
  ) {}

  @Sse()
  @NoActivity()
  live(
    @CurrentOperator() operator: KnownOperator,
    @Headers('last-event-id') lastEventId: string | undefined,
  ): Observable<MessageEvent> {
    return new Observable((subscriber) => {
      const told = new Set<string>();
      // Of every message, so that a client that comes again says what it was told last; Nest would count them instead.
      let id = isEventId(lastEventId) ? lastEventId : '0';
      // In order, although names have to be asked for.
      let queue = Promise.resolve();
      const tell = (news: LiveNews) => {
        if (news.kind === 'change') {
          // It may be among what was missed and among what is new.
          if (told.has(news.event.id)) return;
          told.add(news.event.id);
          if (told.size > 1000) told.delete(told.values().next().value!);
        }
        queue = queue.then(async () => {
          if (news.kind === 'change') id = news.event.id;
          subscriber.next({ id, ...(await this.message(news, operator)) });
        });
      };
      const unwatch = [
        this.feed.watch(tell, () => subscriber.complete(), isEventId(lastEventId) ? lastEventId : null),
        this.tokens.watchSession(operator.session.id, (end) => {
          subscriber.next({ type: 'end', id, data: { errorCode: end?.reason ?? 'SESSION_EXPIRED' } });
          subscriber.complete();
        }),
      ];
      return () => unwatch.forEach((stop) => stop());
    });
  }

  private async message(news: LiveNews, operator: KnownOperator): Promise<MessageEvent> {
    switch (news.kind) {
      case 'change': {
        const { event } = news;
        const users = await this.users.describe(event.userId === null ? [] : [event.userId]);
        return { type: 'change', data: toEventItem(event, { users, operator }) };
      }
      case 'online':
        return { type: 'online', data: news.summary };
      case 'overflow':
      case 'beat':
        return { type: news.kind, data: {} };
    }
  }
}
