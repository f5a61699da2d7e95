/** Full size: `npm run test:soak`. `npm test` runs the same tests with fewer rounds. */
export const isSoak = process.env.TEST_SIZE === 'soak';

/** How many rounds a search or a race has: in `npm test`, and in the soak. */
const ROUNDS = {
  properties: [200, 3000],
  mintedTokens: [20_000, 100_000],
  endsUnderLoad: [60, 1000],
  claimChanges: [30, 500],
  scheduledHistories: [300, 10_000],
  parallelHistories: [7, 100],
  parallelLogins: [8, 100],
  parallelLimits: [4, 20],
  massEnds: [2, 10],
  parallelChoices: [12, 200],
  waitersForARow: [60, 300],
  killedConnections: [12, 250],
  lossesOfRedis: [40, 500],
  failoversOfRedis: [3, 15],
  openSockets: [300, 10_000],
} as const;

export function rounds(name: keyof typeof ROUNDS): number {
  return ROUNDS[name][isSoak ? 1 : 0];
}

/** The rows of a table: all of them in the soak, and the first ones, which stand for the others, in `npm test`. */
export function sized<Row>(rows: readonly Row[], first = 1): readonly Row[] {
  return isSoak ? rows : rows.slice(0, first);
}
