import type { MemberRow } from '../core/membership.js';

/** Numbers that the polls of one timeline have room for: more than a node ever makes. */
const ROOM = 2 ** 32;

/** Names the timeline in which a node made a poll. */
export function timelineOf(nodeId: string, poll: number): string {
  return `${nodeId}.${Math.floor(poll / ROOM)}`;
}

/** The number after which the next timeline of a node begins. @param poll number of the poll that noticed that the clock was set */
export function endOfTimeline(poll: number): number {
  return (Math.floor(poll / ROOM) + 1) * ROOM - 1;
}

/**
 * Tells of which nodes the dates can be compared with the clock. A clock that was set back shows dates a second time, so a date
 * alone does not tell how old a copy is. A node that notices such a step goes on with the numbers of another timeline, and each
 * copy names the one that it was read in. A timeline counts here once its node has completed a poll that began after this node
 * saw that timeline first, or noticed a step itself: then the clock was not set from the one to the other.
 */
export class Timelines {
  /** The number of each node's poll when its timeline was first seen, or the clock set. */
  private since: ReadonlyMap<string, number> = new Map();
  private known: ReadonlySet<string> = new Set();

  /** @param rows the other nodes, as a poll has found them. @param isSet whether it noticed that the clock was set */
  look(rows: readonly MemberRow[], isSet: boolean): void {
    const before = isSet ? new Map<string, number>() : this.since;
    const named = rows.map(({ id, poll, polled }) => ({ name: timelineOf(id, poll), poll, polled }));
    const since = new Map(named.map(({ name, poll }) => [name, before.get(name) ?? poll]));
    this.since = since;
    this.known = new Set(named.filter(({ name, polled }) => polled > since.get(name)!).map(({ name }) => name));
  }

  has(timeline: string): boolean {
    return this.known.has(timeline);
  }
}
