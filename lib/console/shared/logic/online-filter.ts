import type { EventItem, SessionItem } from '../../contract.js';

/** Fields that are asked for by a word. Their labels are texts of the same name. */
export const WORD_FILTERS = ['deviceType', 'loginMethod'] as const satisfies readonly (keyof SessionItem)[];

/** Values that the filters could have. */
export type SeenWords = Readonly<Partial<Record<(typeof WORD_FILTERS)[number], readonly string[]>>>;

/** Names of the filters of the list of live sessions. */
export const ONLINE_FILTERS = [
  'q',
  'userId',
  'ip',
  ...WORD_FILTERS,
  'createdFrom',
  'createdTo',
  'seenFrom',
  'seenTo',
] as const;

export type Query = Readonly<Record<string, string>>;

/** Those of the names that the query sets. */
export function pick(query: Query, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.filter((name) => query[name]).map((name) => [name, query[name]!]));
}

/** What a kick of all that the list shows sends as its filter: without any condition that has to be said. */
export function kickFilter(query: Query): Record<string, string | true> {
  const filter = pick(query, ONLINE_FILTERS);
  return Object.keys(filter).length === 0 ? { all: true } : filter;
}

/** Whether an address may be what a filter asks for. Only the server reads networks and all spellings: this errs towards yes. */
export const mayBeAddress = (ip: string, wanted: string): boolean => ip === wanted || !/^[\d.]+$/.test(wanted);

/**
 * Whether a login may belong into the list that is shown. Only the server knows (a network, the login method); this errs towards
 * yes, as the list is asked anew when the reader wants it.
 */
export function mayBelong(event: EventItem, query: Query): boolean {
  if (event.type !== 'LOGIN' && event.type !== 'IMPERSONATION') return false;
  const { q, userId, ip, deviceType, createdTo, seenTo } = query;
  if (userId && event.userId !== userId) return false;
  if (deviceType && event.deviceType !== deviceType.toLowerCase()) return false;
  if (ip && event.ip && !mayBeAddress(event.ip, ip)) return false;
  if ([createdTo, seenTo].some((to) => to && Date.parse(event.at) >= Date.parse(to))) return false;
  // An address has more spellings than one.
  if (!q || q.includes(':')) return true;
  const start = q.toLowerCase();
  return [event.userId, event.username, event.deviceName, event.ip].some((text) =>
    text?.toLowerCase().startsWith(start),
  );
}
