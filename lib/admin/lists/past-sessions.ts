import { Injectable } from '@nestjs/common';
import { type UserSession, type SessionWithEnd, toSession } from '../../model/session.js';
import { SessionRuntime } from '../../nest/module/session-runtime.js';
import { type EndFacts, toPastSessionItem } from '../routes/admin-items.js';
import type { Page } from './cursor.js';
import type { KnownOperator } from '../access/admin.guard.js';
import { UserDirectory } from './user-directory.js';

/** Presents sessions to operators: with users' names, each session's replacement, and the comment on its end. */
@Injectable()
export class PastSessions {
  constructor(
    private readonly runtime: SessionRuntime,
    private readonly users: UserDirectory,
  ) {}

  async show({ items, ...page }: Page<SessionWithEnd>, operator: KnownOperator) {
    const [users, successors, comments] = await Promise.all([
      this.users.describe(items.map(({ userId }) => userId)),
      this.successorsOf(items),
      this.commentsOn(items),
    ]);
    const view = { users, operator };
    return { items: items.map((item) => toPastSessionItem(item, view, { successors, comments })), ...page };
  }

  /** Finds the operators' comments on the ends of sessions or accounts. */
  private async commentsOn(sessions: readonly SessionWithEnd[]): Promise<ReadonlyMap<string, string>> {
    const ended = sessions.filter(({ end }) => end && end.by !== 'system' && end.replacedBy === null);
    const since = Math.min(...ended.map(({ end }) => end!.at));
    return this.runtime.queries.endComments(
      ended.map(({ id }) => id),
      since,
    );
  }

  private async successorsOf(sessions: readonly SessionWithEnd[]): Promise<EndFacts['successors']> {
    const ids = [...new Set(sessions.flatMap(({ end }) => end?.replacedBy ?? []))];
    if (ids.length === 0) return new Map();
    const found: UserSession[] = (await this.runtime.queries.byIds(ids)).map(toSession);
    return new Map(found.map((session) => [session.id, session]));
  }
}
