import { Inject, Injectable, Logger } from '@nestjs/common';
import { withDeadline } from '../../async/deadline.js';
import { SessionError, invalidArgument, describeError } from '../../model/session-error.js';
import { canonicalUserId } from '../../model/user-key.js';
import { ADMIN_OPTIONS, type KnownOperator } from '../access/admin.guard.js';
import type { ResolvedAdminOptions, UserDescription } from '../access/admin-options.js';

/** Name and picture of a user as displayed. */
export interface ShownUser {
  readonly username: string | null;
  readonly avatarUrl: string | null;
}

/** Context of items: names of users, and the operator's rights. */
export interface View {
  readonly users: ReadonlyMap<string, ShownUser>;
  readonly operator: KnownOperator;
}

/** Time limit of the application's answer for one page. */
const PATIENCE_MS = 2000;
const REPORT_EVERY_MS = 60_000;
const MAX_NAME = 256;
const MAX_URL = 4096;

/** Gets users' names from the application, one call per page. A page is shown without names if that fails. */
@Injectable()
export class UserDirectory {
  private readonly logger = new Logger('SessionAdminModule');
  private reportedAt = -Infinity;

  constructor(@Inject(ADMIN_OPTIONS) private readonly options: ResolvedAdminOptions) {}

  async show<T extends { readonly userId: string | null }, Item>(
    items: readonly T[],
    operator: KnownOperator,
    toItem: (item: T, view: View) => Item,
  ): Promise<readonly Item[]> {
    const users = await this.describe(items.flatMap(({ userId }) => userId ?? []));
    return items.map((item) => toItem(item, { users, operator }));
  }

  /** Returns descriptions by user id, without users whom the application does not know or describe in time. */
  async describe(userIds: Iterable<string>): Promise<ReadonlyMap<string, ShownUser>> {
    const ids = [...new Set(userIds)];
    if (!this.options.describeUsers || ids.length === 0) return new Map();
    try {
      return await withDeadline(this.ask(ids), PATIENCE_MS, () => new Error(`no answer within ${PATIENCE_MS} ms`));
    } catch (error) {
      this.report(error);
      return new Map();
    }
  }

  /** Canonical id of a known user. @throws SessionError ARGUMENT_INVALID for another; errors of describeUsers */
  async known(userId: unknown): Promise<string> {
    const id = canonicalUserId(userId);
    if (!this.options.describeUsers) return id;
    if (!(await this.ask([id])).has(id)) throw invalidArgument('userId', 'must be the id of a user');
    return id;
  }

  private async ask(ids: readonly string[]): Promise<ReadonlyMap<string, ShownUser>> {
    const found: unknown = await this.options.describeUsers!(ids);
    if (!isListOfUsers(found)) {
      const problem = 'must return a list of { userId, username, avatarUrl }.';
      throw new SessionError('CONFIGURATION_INVALID', `SessionAdminModule option "describeUsers" ${problem}`);
    }
    const shown = ({ username, avatarUrl }: UserDescription) => ({
      username: typeof username === 'string' ? username.slice(0, MAX_NAME) || null : null,
      avatarUrl: pictureOrNull(avatarUrl),
    });
    return new Map(found.map((user) => [String(user.userId), shown(user)]));
  }

  private report(error: unknown): void {
    const now = performance.now();
    if (now - this.reportedAt < REPORT_EVERY_MS) return;
    this.reportedAt = now;
    this.logger.warn(`describeUsers failed; lists are shown without names: ${describeError(error)}`);
  }
}

function isListOfUsers(found: unknown): found is readonly UserDescription[] {
  return Array.isArray(found) && found.every((user) => ['string', 'number', 'bigint'].includes(typeof user?.userId));
}

/** Other schemes could execute code when opened. */
function pictureOrNull(value: unknown): string | null {
  const url = typeof value === 'string' && value.length <= MAX_URL ? value : '';
  return /^https:\/\/|^data:image\/(png|jpeg|gif|webp);base64,/i.test(url) ? url : null;
}
