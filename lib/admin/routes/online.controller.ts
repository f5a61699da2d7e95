import { Delete, Get, Param, HttpCode, Post, StreamableFile } from '@nestjs/common';
import { OperatorService } from '../../services/operator-service.js';
import { toOnlineUserItem, toSessionItem, PastSessions } from './admin-items.js';
import { type KnownOperator, NeedsRight, CurrentOperator, AdminRoutes } from '../access/admin.guard.js';
import { readEndedSessionsQuery, readOnlineQuery, readComment, readEndEverything, readKick } from './admin-requests.js';
import { type EndedSessionsQuery, OnlineUsersService } from '../lists/online-users.service.js';
import { QueryFields, BodyFields } from '../../nest/http/request-input.js';
import { withinRights } from '../access/filter-rights.js';
import { UserDirectory } from '../lists/user-directory.js';
import { Readable } from 'node:stream';
import { SessionError } from '../../model/session-error.js';
import { BulkKick, NOTHING_DONE } from './bulk-kick.js';

@AdminRoutes()
export class OnlineController {
  constructor(
    private readonly online: OnlineUsersService,
    private readonly operators: OperatorService,
    private readonly users: UserDirectory,
    private readonly past: PastSessions,
  ) {}

  @Get('operator')
  async operator(@CurrentOperator() { userId, session, rights }: KnownOperator) {
    const users = await this.users.describe([userId]);
    const asked = ['viewAddresses', 'kick', 'endEverything', 'ban', 'impersonate', 'export'] as const;
    const held = Object.fromEntries(asked.map((right) => [right, rights.has(right)]));
    return {
      userId,
      username: users.get(userId)?.username ?? session.userName,
      rights: held as Record<(typeof asked)[number], boolean>,
    };
  }

  @Get('online-users')
  async list(
    @QueryFields(readOnlineQuery) { groupBy, ...asked }: ReturnType<typeof readOnlineQuery>,
    @CurrentOperator() operator: KnownOperator,
  ) {
    const wanted = withinRights(operator, asked);
    if (groupBy) {
      const { items, ...page } = await this.online.listUsers(wanted);
      return { items: await this.users.show(items, operator, toOnlineUserItem), ...page };
    }
    const { items, ...page } = await this.online.list(wanted);
    return { items: await this.users.show(items, operator, toSessionItem), ...page };
  }

  @Get('ended-sessions')
  async ended(
    @QueryFields(readEndedSessionsQuery) query: EndedSessionsQuery,
    @CurrentOperator() operator: KnownOperator,
  ) {
    return this.past.show(await this.online.endedSessions(query), operator);
  }

  @Delete('sessions/:id')
  @NeedsRight('kick')
  async kick(
    @Param('id') id: string,
    @QueryFields(readComment) comment: string | undefined,
    @CurrentOperator() operator: KnownOperator,
  ) {
    return { ended: Number(await this.operators.kick(id, { by: operator.userId, comment })) };
  }

  /** Ends the operator's own session too. Nothing is counted. */
  @Post('end-everything')
  @HttpCode(200)
  @NeedsRight('endEverything')
  async endEverything(@BodyFields(readEndEverything) comment: string, @CurrentOperator() operator: KnownOperator) {
    await this.operators.endEverything({ by: operator.userId, comment });
    return { ended: null };
  }
}

@AdminRoutes('kick')
export class KickController {
  constructor(private readonly bulk: BulkKick) {}

  /** Streams its progress as JSON lines. Goes on without the client, as long as the operator has the right. */
  @Post()
  @HttpCode(200)
  @NeedsRight('kick')
  async kick(
    @BodyFields(readKick) { dryRun, selection, comment, pace }: ReturnType<typeof readKick>,
    @CurrentOperator() operator: KnownOperator,
  ) {
    const within = 'filter' in selection ? { filter: withinRights(operator, selection.filter) } : selection;
    const { userId: by, session, stillAllowed: check } = operator;
    const order = { selection: within, pace, by, comment, except: session.id, check };
    const matching = await this.bulk.count(order);
    if (dryRun) return matching;
    const lines = new Readable({ read: () => undefined });
    const write = (line: object) => void (lines.destroyed || lines.push(`${JSON.stringify(line)}\n`));
    write(matching);
    let reached = NOTHING_DONE;
    const { finished } = await this.bulk.begin(order, (progress) => {
      reached = progress;
      write(progress);
    });
    void finished
      .then((progress) => write({ ...progress, finished: true }))
      .catch((error: unknown) => write({ ...reached, error: messageOf(error), finished: true }))
      .finally(() => void (lines.destroyed || lines.push(null)));
    return new StreamableFile(lines, { type: 'application/x-ndjson' });
  }
}

function messageOf(error: unknown): string {
  return error instanceof SessionError ? error.message : 'The work was stopped by an error.';
}
