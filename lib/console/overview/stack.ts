export interface Layer {
  readonly name: string;
  /** The upper edge of this layer at each step: its own values on top of those of the layers below. */
  readonly edge: readonly number[];
  readonly values: readonly number[];
}

/** Layers of a stacked chart, the topmost first, so that each can be drawn in front of the one before. Without those that are 0. */
export function stack(steps: readonly Readonly<Record<string, number>>[], order: readonly string[]): Layer[] {
  const others = steps.flatMap((step) => Object.keys(step)).filter((name) => !order.includes(name));
  let below = steps.map(() => 0);
  const layers: Layer[] = [];
  for (const name of [...order, ...new Set(others)]) {
    const values = steps.map((step) => step[name] ?? 0);
    if (values.every((value) => value === 0)) continue;
    below = below.map((value, index) => value + values[index]!);
    layers.unshift({ name, edge: below, values });
  }
  return layers;
}
