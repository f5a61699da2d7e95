import { END_REASONS } from '../../model/session.js';
import type { SessionErrorCode } from '../../model/session-error.js';
import { ReauthenticationController, SessionRoutesController } from '../routes/session-routes.controller.js';
import { GatewayController } from '../routes/gateway.controller.js';
import { type Answers, type Schema, count, errorAnswer, object, sessionAnswer, sessionItem, text } from './schemas.js';

/** Describes a route of this library. */
export interface OwnRoute {
  readonly summary: string;
  readonly body?: Schema;
  /** Says more of fields than their parser. */
  readonly fields?: Readonly<Record<string, Schema>>;
  readonly answers: Answers;
  /** Codes of refusals beside those of its guard. */
  readonly refusals?: readonly SessionErrorCode[];
}

type Handlers<Controller> = Exclude<keyof Controller, 'onModuleInit'>;

const invalid = errorAnswer(400, ['ARGUMENT_INVALID']);
const done = { description: '' };
export const json = (schema: Schema) => ({ description: '', schema });

const ROUTES: Readonly<
  Record<
    Handlers<SessionRoutesController> | Handlers<ReauthenticationController> | Handlers<GatewayController>,
    OwnRoute
  >
> = {
  refresh: {
    summary: 'Exchanges a refresh token for the next tokens',
    body: object({ refreshToken: text }, 'refreshToken'),
    answers: {
      200: json(sessionAnswer),
      400: errorAnswer(400, ['ARGUMENT_INVALID', 'TOKEN_MALFORMED']),
      401: errorAnswer(401, ['TOKEN_MISSING', 'TOKEN_INVALID', ...END_REASONS]),
      403: errorAnswer(403, ['CROSS_SITE_REQUEST']),
      429: errorAnswer(429, ['TOO_MANY_REFRESHES']),
      503: errorAnswer(503, ['SESSION_STORE_UNAVAILABLE']),
    },
  },
  logout: {
    summary: 'Ends the session of the token',
    body: object({ refreshToken: text }, 'refreshToken'),
    answers: {
      204: done,
      400: invalid,
      403: errorAnswer(403, ['CROSS_SITE_REQUEST']),
      503: errorAnswer(503, ['SESSION_STORE_UNAVAILABLE']),
    },
  },
  list: {
    summary: 'Lists the live sessions of the user',
    answers: { 200: json(object({ items: { type: 'array', items: sessionItem } })) },
  },
  end: {
    summary: 'Ends a session of the user',
    answers: { 204: done, 404: errorAnswer(404, ['SESSION_NOT_FOUND']) },
  },
  endOthers: { summary: 'Ends all other sessions of the user', answers: { 200: json(object({ ended: count })) } },
  reauthenticate: {
    summary: 'Confirms the password of the user',
    body: object({ password: text }),
    answers: {
      204: done,
      400: errorAnswer(400, ['ARGUMENT_INVALID', 'TOKEN_MALFORMED']),
      401: errorAnswer(401, ['BAD_CREDENTIALS', 'TOKEN_MISSING', 'TOKEN_INVALID', ...END_REASONS]),
    },
  },
  verify: {
    summary: 'Answers a gateway that asks about a request',
    answers: {
      200: {
        description: '',
        headers: { 'X-User-Id': { schema: text }, 'X-Session-Id': { schema: text } },
      },
      401: errorAnswer(401, ['TOKEN_MISSING', 'TOKEN_MALFORMED', 'TOKEN_INVALID', ...END_REASONS]),
      403: errorAnswer(403, ['CROSS_SITE_REQUEST']),
      503: errorAnswer(503, ['SESSION_STORE_UNAVAILABLE']),
    },
  },
};

/** Controllers of SessionRoutesModule, which makes subclasses of them. */
export const OWN_CONTROLLERS = [SessionRoutesController, ReauthenticationController, GatewayController] as const;

/** Descriptions of operators' routes by controller, which the rooms above this one declare. */
export const OPERATOR_ROUTES = new Map<object, Readonly<Record<string, OwnRoute>>>();

/** Routes of SessionRoutesModule by the name of their handler. */
export const OWN_ROUTES: Readonly<Record<string, OwnRoute | undefined>> = ROUTES;
