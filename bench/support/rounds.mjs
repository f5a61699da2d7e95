/**
 * Measures all cases once per round, so that what else the machine does hits all of them alike. Each round begins with
 * another case. One round before the first warms up and is thrown away.
 *
 * @template C
 * @param {number} rounds
 * @param {ReadonlyMap<string, C>} cases by name
 * @param {(one: C, name: string) => Promise<number | Record<string, number>>} measure
 * @returns {Promise<Map<string, any[]>>} what `measure` returned, by name, in the order of the rounds
 */
export async function interleaved(rounds, cases, measure) {
  const names = [...cases.keys()];
  const samples = new Map(names.map((name) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(turn + round + names.length) % names.length];
      const sample = await measure(cases.get(name), name);
      if (round >= 0) samples.get(name).push(sample);
    }
  }
  return samples;
}

/** @param {readonly number[]} values @param {number} share from 0 to 1 */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/** @param {readonly number[]} values */
export function median(values) {
  const middle = [...values].sort((a, b) => a - b);
  const half = (middle.length - 1) / 2;
  return (middle[Math.floor(half)] + middle[Math.ceil(half)]) / 2;
}

/**
 * The ratio of two series, taken round by round: what was measured within seconds of each other is compared.
 *
 * @param {readonly number[]} values
 * @param {readonly number[]} base
 */
export function ratio(values, base) {
  const ratios = values.map((value, round) => value / base[round]);
  return { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) };
}

/** "0.75 (0.71 to 0.80)": the median ratio, and the lowest and the highest of any round. */
export function ratioText(values, base) {
  const { median: middle, min, max } = ratio(values, base);
  return `${short(middle)} (${short(min)} to ${short(max)})`;
}

/** A number with three digits that count. */
export function short(value) {
  return value >= 100
    ? Math.round(value).toLocaleString('en-US')
    : String(Number(value.toPrecision(value < 1 ? 2 : 3)));
}
