import { Column, Entity, PrimaryColumn } from 'typeorm';
import { nullable, number, table, text } from './column-types.js';

/** The change log: one row for every change of a verdict, written in the transaction of the change. Nodes poll it. */
@Entity(table('change'))
export class LatchkeyChange {
  @PrimaryColumn(text('session_id', 32))
  sessionId!: string;

  @PrimaryColumn(number('version'))
  version!: number;

  @Column(text('realm', 64))
  realm!: string;

  @Column(number('at'))
  at!: number;
}

/** One running node. It renews its row with every poll; the others remove one that stands still for too long. */
@Entity(table('node'))
export class LatchkeyNode {
  /** 32 random hex digits, new for every start. */
  @PrimaryColumn(text('id', 32))
  id!: string;

  @Column(text('realm', 64))
  realm!: string;

  /** Which process of which host it is, where that can be told; see process-identity.ts. */
  @Column(nullable(text('process', 128)))
  process!: string | null;

  /** 1 while the node may answer from a cache. */
  @Column(number('caching'))
  caching!: number;

  /** 1 if messages of other nodes can reach the node at all. */
  @Column(number('messaging'))
  messaging!: number;

  /** Milliseconds for which the node may answer from a cache after its last poll. */
  @Column(number('silence_ms'))
  silenceMs!: number;

  /** By the clock of the database; for people. */
  @Column(number('renewed_at'))
  renewedAt!: number;

  /** Number of the poll that wrote the row, one more each time. */
  @Column(number('poll'))
  poll!: number;

  /** Number of the last poll that the node has completed: it knows of every change from before that began. */
  @Column(number('polled'))
  polled!: number;
}
