import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { EndReason } from '../../model/session.js';
import { nullable, number, table, text, userId } from './entities.js';

/** A realm whose sessions were all ended at least once. */
@Entity(table('realm'))
export class LatchkeyRealm {
  @PrimaryColumn(text('realm', 64)) realm!: string;
  /** Grows with every end of all sessions: those that are opened now carry it. */
  @Column(number('end_epoch')) endEpoch!: number;
}

/** The end of all sessions of one account or realm that were opened in one epoch. Their rows are closed later; rows are kept. */
@Entity(table('mass_end'))
export class LatchkeyMassEnd {
  /** Key of the account, or `r:` and the realm. */
  @PrimaryColumn(text('scope', 66)) scope!: string;
  /** Sessions that carry this epoch have ended. */
  @PrimaryColumn(number('epoch')) epoch!: number;
  @Column(text('realm', 64)) realm!: string;
  /** Null for all users. */
  @Column(nullable(userId())) userId!: string | null;
  /** The epoch that follows. */
  @Column(number('version')) version!: number;
  @Column(text('reason', 32)) reason!: EndReason;
  @Column(text('actor', 255)) actor!: string;
  /** The operator's words. */
  @Column(nullable(text('comment', 255))) comment!: string | null;
  @Column(number('at')) at!: number;
  /** When every node had acknowledged it; null until then. */
  @Column(nullable(number('acknowledged_at'))) acknowledgedAt!: number | null;
  /** When the row of every session was closed; null until then. */
  @Column(nullable(number('closed_at'))) closedAt!: number | null;
  /** Until when one node has it to itself to close rows; null for none. */
  @Column(nullable(number('lease_until'))) leaseUntil!: number | null;
  /** How many rows have been closed. */
  @Column(number('ended')) ended!: number;
}
