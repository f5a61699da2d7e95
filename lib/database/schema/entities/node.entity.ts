import { Column, Entity, PrimaryColumn } from 'typeorm';
import { nullable, number, text } from './column-types.js';

/** One running node. It renews its row with every poll; the others remove one that stands still for too long. */
@Entity('user_session_member')
export class NodeEntity {
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
  @Column(nullable(number('messaging')))
  messaging!: number | null;

  /** Milliseconds for which the node may answer from a cache after its last poll. */
  @Column(nullable(number('silence_ms')))
  silenceMs!: number | null;

  /** By the clock of the database; for people. */
  @Column(number('renewed_at'))
  renewedAt!: number;

  /** Number of the poll that wrote the row, one more each time. */
  @Column(nullable(number('poll')))
  poll!: number | null;

  /** Number of the last poll that the node has completed: it knows of every change from before that began. */
  @Column(nullable(number('polled')))
  polled!: number | null;
}
