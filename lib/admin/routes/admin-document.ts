import type { Type } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { fieldsOf } from '../../nest/openapi/inputs.js';
import { readerOf } from '../../nest/http/request-input.js';
import { OPERATOR_ROUTES, type OwnRoute, json } from '../../nest/openapi/own-routes.js';
import {
  type Answers,
  type Schema,
  count,
  errorAnswer,
  flag,
  listOf,
  object,
  optionalCount,
  optionalText,
  sessionAnswer,
  text,
  time,
} from '../../nest/openapi/schemas.js';
import { CHANGES, NeedsRight } from '../access/admin.guard.js';
import { AccountsController } from './accounts.controller.js';
import { readOnlineCriteria } from './admin-requests.js';
import {
  ban,
  counts,
  described,
  eventItem,
  onlineUser,
  orNull,
  page,
  pastSession,
  sessionItem,
  word,
} from './admin-schemas.js';
import { ExportController } from './export.controller.js';
import { LiveController } from './live.controller.js';
import { KickController, OnlineController } from './online.controller.js';
import { EventsController, ReportsController } from './reports.controller.js';

type AnswerOf<Method extends (...all: never[]) => unknown> = Awaited<ReturnType<Method>>;
type ItemOf<Method extends (...all: never[]) => unknown> =
  AnswerOf<Method> extends { readonly items: readonly (infer I)[] } ? I : never;

const file = { description: '', content: { 'text/csv': { schema: text }, 'application/x-ndjson': { schema: text } } };
const filter = { ...fieldsOf(readOnlineCriteria), all: flag };

type Routes<Controller> = Readonly<
  Record<Exclude<keyof Controller, 'onModuleInit'>, readonly [string, Schema | object, OwnRoute['fields']?]>
>;

/** Declares the routes of a controller: what each does, and answers. */
function declare<Controller extends object>(type: Type<Controller>, routes: Routes<Controller>): void {
  const reflector = new Reflector();
  const own = Object.entries<Routes<Controller>[keyof Routes<Controller>]>(routes).map(
    ([name, [summary, answer, fields]]) => {
      const handler = (type.prototype as Record<string, () => unknown>)[name]!;
      const right = reflector.get(NeedsRight, handler) ?? 'view';
      const changes = CHANGES.includes(right);
      const query = readerOf('query', handler);
      const isPage = query !== undefined && 'cursor' in fieldsOf(query, 'query');
      const answers = {
        200: 'description' in answer ? answer : json(answer as Schema),
        400: errorAnswer(400, [
          'ARGUMENT_INVALID',
          ...(isPage ? (['CURSOR_INVALID'] as const) : []),
          'TOKEN_MALFORMED',
        ]),
        ...(changes ? { 202: errorAnswer(202, ['CHANGE_PENDING']) } : {}),
      };
      const refusals: OwnRoute['refusals'] = changes ? ['FORBIDDEN', 'FRESH_LOGIN_REQUIRED'] : ['FORBIDDEN'];
      return [name, { summary, answers: answers as Answers, fields, refusals }] as const;
    },
  );
  OPERATOR_ROUTES.set(type, Object.fromEntries(own));
}

declare(OnlineController, {
  operator: [
    'Tells the rights of the operator',
    described<AnswerOf<OnlineController['operator']>>({
      userId: text,
      username: optionalText,
      rights: object({
        viewAddresses: flag,
        kick: flag,
        endEverything: flag,
        ban: flag,
        impersonate: flag,
        export: flag,
      }),
    }),
  ],
  list: [
    'Lists live sessions, or users',
    page({ oneOf: [sessionItem, onlineUser] }, 'total', 'totalIsEstimate', 'totalIsMinimum'),
  ],
  ended: ['Lists past sessions', page(pastSession)],
  kick: ['Ends a session', object({ ended: count })],
  endEverything: ['Ends all sessions', object({ ended: optionalCount })],
});
declare(KickController, {
  kick: [
    'Ends many sessions',
    {
      description: '',
      content: {
        'application/json': { schema: object({ matching: count, matchingIsMinimum: flag }, 'matchingIsMinimum') },
        'application/x-ndjson': { schema: text },
      },
    },
    { sessionIds: listOf(text), filter: object(filter, ...Object.keys(filter)) },
  ],
});
declare(AccountsController, {
  user: [
    'Describes a user',
    described<AnswerOf<AccountsController['user']>>({
      userId: text,
      username: optionalText,
      avatarUrl: optionalText,
      bans: listOf(ban),
      live: count,
    }),
  ],
  sessions: ['Lists the sessions of a user', page(pastSession)],
  kick: ['Ends all sessions of a user', object({ ended: optionalCount })],
  bans: ['Lists the bans of a user', object({ items: listOf(ban) })],
  ban: ['Bans a user', object({ ended: optionalCount })],
  liftBan: ['Lifts a ban', object({ lifted: flag })],
  impersonate: ['Opens a session as a user', sessionAnswer],
});
declare(EventsController, { list: ['Lists events of the audit trail', page(eventItem)] });
declare(ExportController, { sessions: ['Downloads live sessions', file], events: ['Downloads the audit trail', file] });
declare(LiveController, {
  live: ['Streams what happens', { description: '', content: { 'text/event-stream': { schema: text } } }],
});
declare(ReportsController, {
  sightingList: [
    'Lists where sessions were seen',
    page(
      described<ItemOf<ReportsController['sightingList']>>({
        sessionId: text,
        userId: optionalText,
        username: optionalText,
        deviceType: optionalText,
        deviceName: optionalText,
        impersonator: optionalText,
        ip: optionalText,
        firstAt: time,
        lastAt: time,
      }),
    ),
  ],
  failed: [
    'Lists failed logins by user or by address',
    object({
      items: listOf(
        object(
          {
            userId: optionalText,
            username: optionalText,
            ip: optionalText,
            count,
            accounts: count,
            addresses: count,
            lastAt: time,
            burst: flag,
          },
          'userId',
          'username',
          'ip',
          'accounts',
          'addresses',
        ),
      ),
    }),
  ],
  stats: [
    'Counts sessions and logins over time',
    described<AnswerOf<ReportsController['stats']>>({
      at: time,
      online: orNull(
        object({
          sessions: count,
          users: optionalCount,
          isEstimate: flag,
          byDeviceType: listOf(object({ deviceType: optionalText, sessions: count })),
        }),
      ),
      step: word(['hour', 'day']),
      series: listOf(
        described<AnswerOf<ReportsController['stats']>['series'][number]>({
          at: time,
          online: optionalCount,
          logins: count,
          loginsByDeviceType: counts,
          failedLogins: count,
          ends: counts,
        }),
      ),
    }),
  ],
});
