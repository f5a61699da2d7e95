import { optionalText } from '../../commands/arguments.js';
import type { Duration } from '../../model/timing.js';
import { END_REASONS } from '../../model/session.js';
import { invalidArgument } from '../../model/session-error.js';
import { SESSION_EVENT_TYPES } from '../../model/session-event.js';
import { SOUGHT_FIELDS } from '../../model/session-fields.js';
import { sessionIdOf } from '../../tokens/token-codec.js';
import { type OnlineCriteria, addressOf, networkOf } from './admin-filters.js';
import type { KickSelection } from './bulk-kick.js';
import type { PageQuery } from '../lists/cursor.js';
import type { ExportFormat } from '../lists/list-export.js';
import type { EndedSessionsQuery, EventsQuery, OnlineQuery, UserSessionsQuery } from '../lists/online-users.service.js';
import { type RequestInput, readInput } from '../../nest/http/request-input.js';

const MAX_USER_ID = 1024;
const MAX_HOURS = 168;

/** OnlineUsersService checks ranges itself. */
export function readOnlineCriteria(input: RequestInput): OnlineCriteria {
  return {
    q: input.textOrEmpty('q', 128),
    userId: input.text('userId', MAX_USER_ID),
    ip: input.text('ip', 64),
    ...Object.fromEntries(SOUGHT_FIELDS.map((name) => [name, input.text(name, 32)])),
    createdFrom: input.time('createdFrom'),
    createdTo: input.time('createdTo'),
    seenFrom: input.time('seenFrom'),
    seenTo: input.time('seenTo'),
  };
}

/** Lists grouped by user have a fixed order. */
export function readOnlineQuery(input: RequestInput): OnlineQuery & { readonly groupBy: 'user' | undefined } {
  const groupBy = input.choice('groupBy', ['user']);
  const criteria = { groupBy, ...readPage(input), ...readOnlineCriteria(input) };
  return groupBy ? criteria : { ...criteria, sort: input.choice('sort', ['lastSeen', 'login', 'user']) };
}

export function readOnlineExport(input: RequestInput) {
  return { criteria: readOnlineCriteria(input), format: readFormat(input) };
}

export function readUserSessionsQuery(input: RequestInput): UserSessionsQuery {
  return { ...readPage(input), ended: input.flag('ended') };
}

export function readEndedSessionsQuery(input: RequestInput): EndedSessionsQuery {
  return {
    ...readPage(input),
    userId: input.text('userId', MAX_USER_ID),
    reason: input.choice('reason', END_REASONS),
    endedFrom: input.time('endedFrom'),
    endedTo: input.time('endedTo'),
  };
}

export function readEventsQuery(input: RequestInput): EventsQuery {
  return { ...readPage(input), ...readEventCriteria(input) };
}

export function readEventsExport(input: RequestInput) {
  return { criteria: readEventCriteria(input), format: readFormat(input) };
}

function readEventCriteria(input: RequestInput) {
  return {
    userId: input.text('userId', MAX_USER_ID),
    sessionId: readSessionId(input),
    ip: addressOf(input.text('ip', 64)) ?? undefined,
    type: input.choice('type', SESSION_EVENT_TYPES),
    from: input.time('from'),
    to: input.time('to'),
  };
}

function readFormat(input: RequestInput): ExportFormat {
  return input.choice('format', ['csv', 'ndjson']) ?? 'csv';
}

export function readSightingsQuery(input: RequestInput) {
  const page = readPage(input);
  const sessionId = readSessionId(input);
  const userId = input.text('userId', MAX_USER_ID);
  const range = networkOf(input.text('ip', 64));
  if ([sessionId, userId, range ?? undefined].filter((one) => one !== undefined).length !== 1) {
    throw invalidArgument('ip, sessionId or userId', 'is required, and only one of them');
  }
  if (range) {
    const at = input.time('at');
    const times = at === undefined ? { from: input.time('from'), to: input.time('to') } : { from: at, to: at + 1 };
    return { page, range, times };
  }
  return { page, sessionId, userId };
}

export function readFailedLoginsQuery(input: RequestInput) {
  const hours = input.integer('hours') ?? 24;
  if (hours < 1 || hours > MAX_HOURS) throw invalidArgument('hours', `must be a whole number from 1 to ${MAX_HOURS}`);
  return { hours, by: input.choice('by', ['user', 'ip']) ?? 'user' };
}

export function readStatsRange(input: RequestInput) {
  return input.choice('range', ['24h', '30d']) ?? '24h';
}

export function readKick(input: RequestInput) {
  const pace = input.choice('pace', ['gentle', 'fast']) ?? 'gentle';
  return { selection: readSelection(input), comment: readComment(input), dryRun: input.flag('dryRun'), pace };
}

function readSelection(input: RequestInput): KickSelection {
  const [sessionIds, filter] = [input.value('sessionIds'), input.value('filter')];
  if ((sessionIds === undefined) === (filter === undefined)) {
    throw invalidArgument('sessionIds or filter', 'is required, and only one of them');
  }
  if (sessionIds !== undefined) return { sessionIds: sessionIds as string[] };
  return readInput(filter, 'filter', (fields) => {
    const criteria = readOnlineCriteria(fields);
    const isEmpty = Object.values(criteria).every((value) => value === undefined);
    // A filter lost on the way must not end every session.
    if (isEmpty !== fields.flag('all')) {
      throw invalidArgument('filter', 'must have a criterion, or be exactly { "all": true }');
    }
    return { filter: criteria };
  });
}

/** Words that an operator types to end everything. */
export const END_EVERYTHING = 'end everything';

/** Reads the operator's comment. @throws SessionError ARGUMENT_INVALID without it, or without the words typed */
export function readEndEverything(input: RequestInput): string {
  const isConfirmed = input.choice('confirm', [END_EVERYTHING]) !== undefined;
  const comment = readComment(input);
  if (!isConfirmed) throw invalidArgument('confirm', `must be "${END_EVERYTHING}"`);
  if (comment === undefined) throw invalidArgument('reason', 'is required');
  return comment;
}

export function readBan(input: RequestInput) {
  const [until, comment] = [input.time('until'), readComment(input)];
  return { until, comment, service: readService(input), level: input.integer('level') };
}

export function readImpersonation(input: RequestInput) {
  return { comment: readComment(input), for: input.text('for', 16) as Duration | undefined };
}

export function readService(input: RequestInput): string | undefined {
  return input.text('service', 64);
}

/** Reads an operator's comment, which requests call `reason`. */
export function readComment(input: RequestInput): string | undefined {
  return optionalText(input.textOrEmpty('reason', 255), 'reason', 255) ?? undefined;
}

function readSessionId(input: RequestInput): string | undefined {
  const id = input.text('sessionId', 64);
  return id === undefined ? undefined : sessionIdOf(id, 'sessionId');
}

function readPage(input: RequestInput): PageQuery {
  return { limit: input.integer('limit'), cursor: input.textOrEmpty('cursor', Infinity) };
}
