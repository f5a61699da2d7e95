import { randomBytes } from 'node:crypto';

/** Shared by all modules of the process: it orders, and decides nothing. */
let eventCounter = 0;

/**
 * 48 bits of time, 16 of a counter that keeps what this process writes in order within a millisecond, and 64 random ones:
 * ids sort by time, and inserts stay together on disk.
 */
export function eventId(at: number): string {
  return orderOfEvent(at) + randomBytes(8).toString('hex');
}

/** The first half of an event id, for ids that the database makes: half of a session's id, which is as random, can be the other. */
export function orderOfEvent(at: number): string {
  eventCounter = (eventCounter + 1) % 0x10000;
  return lowestEventId(at) + eventCounter.toString(16).padStart(4, '0');
}

/** The time that an id was made for. Milliseconds since the epoch. */
export function timeOfEvent(id: string): number {
  return parseInt(id.slice(0, 12), 16);
}

/** What every event id of a millisecond begins with; it sorts before all of them. */
export function lowestEventId(at: number): string {
  return Math.max(0, at).toString(16).padStart(12, '0');
}
