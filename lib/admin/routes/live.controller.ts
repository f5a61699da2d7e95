import { Headers, type MessageEvent, Req, Res, Sse } from '@nestjs/common';
import { Observable } from 'rxjs';
import { END_REASONS } from '../../model/session.js';
import { PeriodicTask } from '../../async/periodic-task.js';
import { SessionError } from '../../model/session-error.js';
import { SessionService } from '../../services/session-service.js';
import { TokenService } from '../../services/token-service.js';
import { SessionQueries } from '../../database/lists/session-queries.js';
import { NoActivity } from '../../nest/http/route-decorators.js';
import type { GuardedRequest } from '../../nest/http/identity.js';
import { SessionAuthenticator } from '../../nest/http/session-authenticator.js';
import { toEventItem } from './admin-items.js';
import { type KnownOperator, AdminRoutes, CurrentOperator, JUDGE_EVERY_MS } from '../access/admin.guard.js';
import {
  type LiveChanges,
  LiveFeed,
  type LiveNews,
  LiveReader,
  type LiveResponse,
  lastChange,
  messageId,
} from '../live/live-feed.js';

/** Reasons that a new token does not cure. */
const ENDS: ReadonlySet<string> = new Set(END_REASONS.filter((reason) => reason !== 'TOKEN_EXPIRED'));
/** Most sent changes remembered for deduplication. */
const MAX_TOLD = 1000;

/** Streams changes as server-sent events. Rechecks the operator's rights every 2 s, and closes once they are gone. */
@AdminRoutes('live')
export class LiveController {
  constructor(
    private readonly feed: LiveFeed,
    private readonly tokens: TokenService,
    private readonly sessions: SessionService,
    private readonly authenticator: SessionAuthenticator,
    private readonly queries: SessionQueries,
  ) {}

  @Sse()
  @NoActivity()
  live(
    @CurrentOperator() operator: KnownOperator,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Req() request: GuardedRequest,
    @Res() response: LiveResponse,
  ): Observable<MessageEvent> {
    const { token } = this.authenticator.credentialOf(request, { allowCrossSite: true });
    const { realm } = this.queries;
    const from = lastChange(realm, lastEventId);
    return new Observable((subscriber) => {
      let current = operator;
      const told = new Set<string>(from === null ? [] : [from]);
      // Set on every message, because Nest would number them.
      let id = messageId(realm, from);
      const reader = new LiveReader(response);
      const tell = (news: LiveNews) => {
        if (!reader.takes(news.kind, () => subscriber.next({ type: 'overflow', id, data: {} }))) return;
        if (news.kind === 'changes') tellChanges(news);
        else subscriber.next({ type: news.kind, id, data: news.kind === 'online' ? news.summary : {} });
      };
      // The client learns of an expired token or a missing right when it reconnects.
      const finish = (code: string) => {
        if (ENDS.has(code)) subscriber.next({ type: 'session-ended', id, data: { errorCode: code } });
        subscriber.complete();
      };
      const tellChanges = ({ events, users }: LiveChanges) => {
        for (const event of events) {
          // An event may be both missed and new.
          if (told.has(event.id)) continue;
          told.add(event.id);
          if (told.size > MAX_TOLD) told.delete(told.values().next().value!);
          id = messageId(realm, event.id);
          subscriber.next({ type: 'change', id, data: toEventItem(event, { users, operator: current }) });
        }
      };
      const unwatch = [
        this.feed.watch(tell, () => subscriber.complete(), from),
        // A guard of the application may have taken the token from elsewhere.
        token !== null
          ? this.tokens.watch(token, ({ reason }) => finish(reason))
          : this.sessions.watch(operator.session.id, (end) => finish(end?.reason ?? 'SESSION_EXPIRED')),
        repeatedly(async () => void (current = await operator.judgeAgain()), finish),
      ];
      return () => unwatch.forEach((stop) => stop());
    });
  }
}

/** Judges repeatedly until it fails, and reports why. @returns function that stops it */
function repeatedly(judge: () => Promise<void>, onFailure: (code: string) => void): () => void {
  const judgeOnce = () => judge().catch((error: unknown) => onFailure(error instanceof SessionError ? error.code : ''));
  const task = new PeriodicTask(judgeOnce, JUDGE_EVERY_MS, () => undefined);
  task.start();
  return () => void task.stop();
}
