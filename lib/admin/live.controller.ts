import { Headers, type MessageEvent, Sse } from '@nestjs/common';
import { Observable } from 'rxjs';
import { TokenService } from '../core/token-service.js';
import { SessionQueries } from '../database/session-queries.js';
import { NoActivity } from '../nest/decorators.js';
import { toEventItem } from './admin-items.js';
import { AdminRoutes } from './admin-route.js';
import { type LiveChanges, LiveFeed, type LiveNews } from './live-feed.js';
import { LivePlaces } from './live-place.js';
import { CurrentOperator, type KnownOperator } from './operator.js';

/** Changes of which it is remembered that they were told. */
const MAX_TOLD = 1000;

/** What happens, as server-sent events, until the session of the operator ends. */
@AdminRoutes('live')
export class LiveController {
  private readonly places: LivePlaces;

  constructor(
    private readonly feed: LiveFeed,
    private readonly tokens: TokenService,
    queries: SessionQueries,
  ) {
    this.places = new LivePlaces(queries.realm);
  }

  @Sse()
  @NoActivity()
  live(
    @CurrentOperator() operator: KnownOperator,
    @Headers('last-event-id') lastEventId: string | undefined,
  ): Observable<MessageEvent> {
    const from = this.places.read(lastEventId);
    return new Observable((subscriber) => {
      const told = new Set<string>(from === null ? [] : [from]);
      // Of every message, so that a client that comes again says what it was told last; Nest would count them instead.
      let id = this.places.write(from);
      const tell = (news: LiveNews) => {
        if (news.kind === 'changes') tellChanges(news);
        else subscriber.next({ type: news.kind, id, data: news.kind === 'online' ? news.summary : {} });
      };
      const tellChanges = ({ events, users }: LiveChanges) => {
        for (const event of events) {
          // It may be among what was missed and among what is new.
          if (told.has(event.id)) continue;
          told.add(event.id);
          if (told.size > MAX_TOLD) told.delete(told.values().next().value!);
          id = this.places.write(event.id);
          subscriber.next({ type: 'change', id, data: toEventItem(event, { users, operator }) });
        }
      };
      const unwatch = [
        this.feed.watch(tell, () => subscriber.complete(), from),
        this.tokens.watchSession(operator.session.id, (end) => {
          subscriber.next({ type: 'end', id, data: { errorCode: end?.reason ?? 'SESSION_EXPIRED' } });
          subscriber.complete();
        }),
      ];
      return () => unwatch.forEach((stop) => stop());
    });
  }
}
