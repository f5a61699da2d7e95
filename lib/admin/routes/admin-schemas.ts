import { END_REASONS } from '../../model/session.js';
import { SESSION_EVENT_TYPES } from '../../model/session-event.js';
import { LISTED_FIELDS, SESSION_FIELDS } from '../../model/session-fields.js';
import {
  type Schema,
  count,
  flag,
  listOf,
  object,
  optionalCount,
  optionalText,
  text,
  time,
} from '../../nest/openapi/schemas.js';
import type { EventItem, toBanItem, toOnlineUserItem } from './admin-items.js';
import type { EndItem, ListedFields, SessionItem, Successor } from './session-item.js';

/** Describes what a route answers: the compiler holds its names against those of the type. */
export const described = <T>(
  properties: { readonly [Name in keyof T]-?: Schema },
  ...optional: (keyof T & string)[]
): Schema => object(properties, ...optional);

export const orNull = (schema: Schema): Schema => ({ ...schema, nullable: true });
export const word = (words: readonly string[]): Schema => ({ ...text, enum: words });
export const counts: Schema = { type: 'object', additionalProperties: count };

const listed = Object.fromEntries(
  LISTED_FIELDS.map((name) => {
    const { kind } = SESSION_FIELDS[name];
    return [name, { time, words: listOf(text), number: optionalCount, text: optionalText }[kind]];
  }),
) as Record<keyof ListedFields, Schema>;
const session = {
  sessionId: text,
  userId: text,
  username: optionalText,
  avatarUrl: optionalText,
  ...listed,
  current: flag,
};
const successor = described<Successor>({
  sessionId: text,
  deviceType: optionalText,
  deviceName: optionalText,
  createdAt: orNull(time),
});
const end = {
  endReason: word(END_REASONS),
  endedAt: time,
  endedBy: text,
  endComment: optionalText,
  replacedBy: orNull(successor),
};
export const sessionItem = described<SessionItem>(session);
export const pastSession = described<SessionItem & EndItem>(
  { ...session, ...end },
  'endReason',
  'endedAt',
  'endedBy',
  'endComment',
  'replacedBy',
);
export const onlineUser = described<ReturnType<typeof toOnlineUserItem>>({
  userId: text,
  username: optionalText,
  avatarUrl: optionalText,
  sessions: count,
  lastSeenAt: time,
  deviceTypes: listOf(text),
});
export const eventItem = described<EventItem>({
  id: { oneOf: [text, count] },
  at: time,
  type: word(SESSION_EVENT_TYPES),
  userId: optionalText,
  username: optionalText,
  sessionId: optionalText,
  reason: optionalText,
  actor: optionalText,
  ip: optionalText,
  deviceType: optionalText,
  deviceName: optionalText,
  ended: optionalCount,
  detail: orNull({ type: 'object' }),
});
export const ban = described<ReturnType<typeof toBanItem>>({
  service: optionalText,
  level: count,
  reason: optionalText,
  until: orNull(time),
  at: time,
  by: text,
});
export const page = (items: Schema, ...totals: ('total' | 'totalIsEstimate' | 'totalIsMinimum')[]) => {
  const all = { total: count, totalIsEstimate: flag, totalIsMinimum: flag };
  const shown = Object.fromEntries(totals.map((name) => [name, all[name]]));
  return object({ items: listOf(items), nextCursor: optionalText, prevCursor: optionalText, ...shown }, ...totals);
};
