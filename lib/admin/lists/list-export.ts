/** A list as a download. */
export type ExportFormat = 'csv' | 'ndjson';

export const EXPORT_TYPES: Readonly<Record<ExportFormat, string>> = {
  csv: 'text/csv; charset=utf-8',
  ndjson: 'application/x-ndjson; charset=utf-8',
};

/** Without it, some spreadsheets take UTF-8 for something else. */
const BYTE_ORDER_MARK = '\ufeff';

/**
 * The beginning of a formula, in its wide form too, behind whatever a spreadsheet may skip: spaces, control characters and
 * those that are not seen, and quotes.
 */
const FORMULA = /^[\s\p{Cc}\p{Cf}"]*[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n]/u;
/**
 * The same behind a semicolon, a tab or the end of a line. Where a spreadsheet goes by its country, a comma does not begin a field, so
 * that quotes behind one mean nothing, and all of these divide.
 */
const INNER_FORMULA = /[;\t\r\n](?=[\s\p{Cc}\p{Cf}"]*[=+\-@\uff1d\uff0b\uff0d\uff20])/gu;

/**
 * The text of a list, portion by portion.
 * @param columns the fields of an item, in this order; other fields are left out
 */
export async function* exportText<T extends object>(
  format: ExportFormat,
  columns: readonly (keyof T & string)[],
  portions: AsyncIterable<readonly T[]>,
): AsyncGenerator<string> {
  if (format === 'csv') yield `${BYTE_ORDER_MARK}${columns.join(',')}\r\n`;
  for await (const items of portions) {
    yield items
      .map((item) => {
        const values = columns.map((column) => item[column] as unknown);
        if (format === 'csv') return `${values.map(csvField).join(',')}\r\n`;
        return `${JSON.stringify(Object.fromEntries(columns.map((column, index) => [column, values[index]])))}\n`;
      })
      .join('');
  }
}

/**
 * A value as a field of CSV (RFC 4180). Text that a spreadsheet would take for a formula gets an apostrophe before it: names of
 * devices and user agents are anybody's text (OWASP, CSV Injection).
 */
export function csvField(value: unknown): string {
  if (value === null || value === undefined) return '';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const safe =
    typeof value === 'number' ? text : (FORMULA.test(text) ? `'${text}` : text).replace(INNER_FORMULA, "$&'");
  return /[",\r\n']/.test(safe) || safe !== safe.trim() ? `"${safe.replaceAll('"', '""')}"` : safe;
}
