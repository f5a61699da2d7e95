export type Params = Readonly<Record<string, string | number>>;

/**
 * Fills `{name}` in. A text with a bar has two forms, "{n} session|{n} sessions": the first is for n = 1.
 * @param show how numbers are written
 */
export function fill(text: string, params: Params = {}, show: (value: number) => string = String): string {
  const bar = text.indexOf('|');
  const form = bar < 0 ? text : params.n === 1 ? text.slice(0, bar) : text.slice(bar + 1);
  return form.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = params[name];
    return value === undefined ? whole : typeof value === 'number' ? show(value) : value;
  });
}

/** The names in a text, sorted, each once. */
export const placeholders = (text: string): string[] =>
  [...new Set([...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!))].sort();
