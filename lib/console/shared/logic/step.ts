export type Step = 'hour' | 'day';

const LENGTH: Readonly<Record<Step, number>> = { hour: 3_600_000, day: 86_400_000 };

/** Whether a step of the statistics still goes on, so that its numbers are not comparable yet. Times in ms. */
export const isUnfinished = (at: number, step: Step, now: number): boolean => now < at + LENGTH[step];

/** The zone in which times of this step are written: hours in that of the browser, days in UTC, by which they are counted. */
export const zoneOf = (step: Step): string | undefined => (step === 'day' ? 'UTC' : undefined);

export interface DrawnLine {
  /** The steps that are over. */
  readonly finished: (number | null)[];
  /** The step that goes on, with the one before so that a line leads there; null where all are over. */
  readonly unfinished: (number | null)[] | null;
}

/** Takes the values of a line apart, for a step that goes on is drawn in another way. */
export function drawnLine(data: readonly (number | null)[], lastIsUnfinished: boolean, leadsThere: boolean): DrawnLine {
  if (!lastIsUnfinished) return { finished: [...data], unfinished: null };
  const last = data.length - 1;
  return {
    finished: data.map((value, index) => (index === last ? null : value)),
    unfinished: data.map((value, index) => (index === last || (leadsThere && index === last - 1) ? value : null)),
  };
}
