import { Readable } from 'node:stream';
import { Body, HttpCode, Post, StreamableFile } from '@nestjs/common';
import { SessionError, invalidArgument } from '../core/session-error.js';
import { NeedsRight } from './admin.guard.js';
import { readOnlineCriteria, readReason } from './admin-requests.js';
import { AdminRoutes } from './admin-route.js';
import { BulkKick, type KickOrder, type KickSelection, NOTHING_DONE } from './bulk-kick.js';
import { CurrentOperator, type KnownOperator } from './operator.js';
import { RequestInput } from './request-input.js';
import { withinRights } from './within-rights.js';

@AdminRoutes('kick')
export class KickController {
  constructor(private readonly bulk: BulkKick) {}

  /**
   * Ends a selection of sessions, or all that keep a filter. Answers lines of JSON as the work goes on; it goes on when the
   * client is gone.
   */
  @Post()
  @HttpCode(200)
  @NeedsRight('kick')
  async kick(@Body() body: unknown, @CurrentOperator() operator: KnownOperator) {
    const input = new RequestInput(body);
    const order = readOrder(input, operator);
    const matching = await this.bulk.count(order);
    if (input.flag('dryRun')) return { matching };
    const lines = new Readable({ read: () => undefined });
    const write = (line: object) => void (lines.destroyed || lines.push(`${JSON.stringify(line)}\n`));
    write({ matching });
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

/** @throws SessionError ARGUMENT_INVALID */
function readOrder(input: RequestInput, operator: KnownOperator): KickOrder {
  const selection = readSelection(input, operator);
  return { selection, by: operator.userId, reason: readReason(input), except: operator.session.id };
}

function readSelection(input: RequestInput, operator: KnownOperator): KickSelection {
  const [sessionIds, filter] = [input.value('sessionIds'), input.value('filter')];
  if ((sessionIds === undefined) === (filter === undefined)) {
    throw invalidArgument('sessionIds', 'or filter must be given, and not both');
  }
  if (sessionIds !== undefined) return { sessionIds: sessionIds as string[] };
  const fields = new RequestInput(filter, 'filter');
  const criteria = withinRights(operator, readOnlineCriteria(fields));
  const isEmpty = Object.values({ ...criteria, addresses: undefined }).every((value) => value === undefined);
  // So that a filter that was lost on the way ends nobody's session.
  if (isEmpty !== fields.flag('all')) {
    throw invalidArgument('filter', 'must have a condition, or be { "all": true } and nothing else');
  }
  return { filter: criteria };
}

function messageOf(error: unknown): string {
  return error instanceof SessionError ? error.message : 'The work was stopped by an error.';
}
