import type { SessionEventType } from '../model/session-event.js';
import type { AccountRef } from '../model/user-key.js';

/** A session that was used from an address. Times in milliseconds since the epoch. */
export interface Sighting {
  readonly sessionId: string;
  readonly ip: string;
  /** See ipKey. */
  readonly ipKey: string;
  readonly firstAt: number;
  readonly lastAt: number;
}

/** A line of the audit trail that no change of a session writes. */
export interface DetachedEvent {
  readonly at: number;
  readonly type: SessionEventType;
  /** Null where it is about nobody who is known. */
  readonly account: AccountRef | null;
  /** 1 to 255 characters. */
  readonly actor: string;
  readonly ip: string | null;
  readonly deviceType: string | null;
  readonly deviceName: string | null;
  readonly detail: Readonly<Record<string, unknown>> | null;
}

/**
 * What is counted. `login` has the type of the device as its name ('' for none), `end` the reason, `failed-login` the reason;
 * `online`, without a name, is the highest number of live sessions that was seen.
 */
export type StatisticKind = 'login' | 'end' | 'failed-login' | 'online';

/** A count of one hour. */
export interface StatisticAmount {
  /** Beginning of the hour (UTC), in milliseconds since the epoch. */
  readonly hour: number;
  readonly kind: StatisticKind;
  /** At most 32 characters. */
  readonly name: string;
  readonly amount: number;
}

/**
 * Records that operators read later, written beside the requests. Each call is one atomic step for at most some hundred
 * records, and rejects with SESSION_STORE_UNAVAILABLE if it was not carried out in time, or nobody knows whether it was.
 */
export interface JournalRepository {
  /**
   * Merges sightings with those that are there: the earlier firstAt and the later lastAt. Sessions that this realm does not
   * have are left out. No two may be of the same session and key.
   */
  addSightings(sightings: readonly Sighting[]): Promise<void>;

  addEvents(events: readonly DetachedEvent[]): Promise<void>;

  /** Adds amounts to those that are there; of `online`, the higher one stays. No two may be of the same hour, kind and name. */
  addStatistics(amounts: readonly StatisticAmount[]): Promise<void>;

  /** How many sessions of the realm are live. */
  countLive(): Promise<number>;
}
