import { Injectable } from '@nestjs/common';
import { type Session, type SessionWithEnd, toSession } from '../core/session.js';
import { SessionRuntime } from '../nest/session-runtime.js';
import { type Successors, toPastSessionItem } from './admin-items.js';
import type { Page } from './cursor.js';
import type { KnownOperator } from './operator.js';
import { UserDirectory } from './user-directory.js';

/** Sessions, live or past, as operators see them: with names, and with the session that took the place of each. */
@Injectable()
export class PastSessions {
  constructor(
    private readonly runtime: SessionRuntime,
    private readonly users: UserDirectory,
  ) {}

  async show({ items, ...page }: Page<SessionWithEnd>, operator: KnownOperator) {
    const [users, successors] = await Promise.all([
      this.users.describe(items.map(({ userId }) => userId)),
      this.successorsOf(items),
    ]);
    return { items: items.map((item) => toPastSessionItem(item, { users, operator }, successors)), ...page };
  }

  private async successorsOf(sessions: readonly SessionWithEnd[]): Promise<Successors> {
    const ids = [...new Set(sessions.flatMap(({ end }) => end?.replacedBy ?? []))];
    if (ids.length === 0) return new Map();
    const found: Session[] = (await this.runtime.queries.byIds(ids)).map(toSession);
    return new Map(found.map((session) => [session.id, session]));
  }
}
