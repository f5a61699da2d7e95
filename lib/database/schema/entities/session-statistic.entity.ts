import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { StatisticKind } from '../../../ports/journal-repository.js';
import { number, text } from './column-types.js';

/** A count of one hour, of all nodes together. */
@Entity('user_session_statistic')
export class SessionStatisticEntity {
  @PrimaryColumn(text('realm', 64))
  realm!: string;

  /** Beginning of the hour (UTC), in milliseconds since the epoch. */
  @PrimaryColumn(number('hour'))
  hour!: number;

  @PrimaryColumn(text('kind', 16))
  kind!: StatisticKind;

  /** Type of device, or reason; empty for none. */
  @PrimaryColumn(text('name', 32))
  name!: string;

  @Column(number('amount'))
  amount!: number;
}
