import type { SessionEventType } from '../model/session-event.js';
import type { AccountRef } from '../model/user-key.js';

/** Use of a session from an address. Times are milliseconds since the epoch. */
export interface Sighting {
  readonly sessionId: string;
  readonly ip: string;
  /** See ipKey. */
  readonly ipKey: string;
  readonly firstAt: number;
  readonly lastAt: number;
}

/** Audit event that is not part of a change of a session. */
export interface DetachedEvent {
  readonly at: number;
  readonly type: SessionEventType;
  /** Null without a known account. */
  readonly account: AccountRef | null;
  /** 1 to 255 characters. */
  readonly actor: string;
  readonly ip: string | null;
  readonly deviceType: string | null;
  readonly deviceName: string | null;
  readonly detail: Readonly<Record<string, unknown>> | null;
}

/** Named by device type ('' for none), by reason, or not at all: `online` is the peak of live sessions. */
export type StatisticKind = 'login' | 'end' | 'failed-login' | 'online';

/** A count for one hour. */
export interface StatisticAmount {
  /** Start of the hour (UTC), in milliseconds since the epoch. */
  readonly hour: number;
  readonly kind: StatisticKind;
  /** At most 32 characters. */
  readonly name: string;
  readonly amount: number;
}

/** Each call is one atomic step for some hundred rows. After SESSION_STORE_UNAVAILABLE the outcome is unknown. */
export interface JournalRepository {
  /** Upserts distinct keys, with the earlier firstAt and the later lastAt. Skips sessions unknown to this realm. */
  addSightings(sightings: readonly Sighting[]): Promise<void>;

  addEvents(events: readonly DetachedEvent[]): Promise<void>;

  /** Adds amounts to the stored ones; for `online`, keeps the higher one. No two may share hour, kind and name. */
  addStatistics(amounts: readonly StatisticAmount[]): Promise<void>;

  countLive(): Promise<number>;
}
