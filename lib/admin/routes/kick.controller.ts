import { Readable } from 'node:stream';
import { HttpCode, Post, StreamableFile } from '@nestjs/common';
import { SessionError } from '../../model/session-error.js';
import { NeedsRight } from '../access/admin.guard.js';
import { type KickRequest, readKick } from './admin-requests.js';
import { AdminRoutes } from './admin-route.js';
import { BulkKick, type KickOrder, NOTHING_DONE } from './bulk-kick.js';
import { CurrentOperator, type KnownOperator } from '../access/operator.js';
import { BodyFields } from './request-input.js';
import { withinRights } from '../access/within-rights.js';

@AdminRoutes('kick')
export class KickController {
  constructor(private readonly bulk: BulkKick) {}

  /**
   * Ends a selection of sessions, or all that keep a filter. Answers lines of JSON as the work goes on; it goes on when the
   * client is gone, for as long as the operator may do it.
   */
  @Post()
  @HttpCode(200)
  @NeedsRight('kick')
  async kick(@BodyFields(readKick) { dryRun, ...request }: KickRequest, @CurrentOperator() operator: KnownOperator) {
    const order = orderOf(request, operator);
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
      .then(
        (progress) => write({ ...progress, finished: true }),
        (error: unknown) => write({ ...reached, error: messageOf(error), finished: true }),
      )
      .finally(() => void (lines.destroyed || lines.push(null)));
    return new StreamableFile(lines, { type: 'application/x-ndjson' });
  }
}

/** @throws SessionError FORBIDDEN for what the operator may not search by */
function orderOf({ selection, reason }: Omit<KickRequest, 'dryRun'>, operator: KnownOperator): KickOrder {
  const within = 'filter' in selection ? { filter: withinRights(operator, selection.filter) } : selection;
  return { selection: within, by: operator.userId, reason, except: operator.session.id, check: operator.stillAllowed };
}

function messageOf(error: unknown): string {
  return error instanceof SessionError ? error.message : 'The work was stopped by an error.';
}
