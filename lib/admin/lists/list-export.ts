export type ExportFormat = 'csv' | 'ndjson';

export const EXPORT_TYPES: Readonly<Record<ExportFormat, string>> = {
  csv: 'text/csv; charset=utf-8',
  ndjson: 'application/x-ndjson; charset=utf-8',
};

/** Without it, some spreadsheets misread UTF-8. */
const BYTE_ORDER_MARK = '\ufeff';

/** Start of a formula, full-width forms included, after spaces, control and invisible characters, and quotes. */
const FORMULA = /^[\s\p{Cc}\p{Cf}"]*[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n]/u;
/** The same after what separates fields in locales where a comma does not. */
const INNER_FORMULA = /[;\t\r\n](?=[\s\p{Cc}\p{Cf}"]*[=+\-@\uff1d\uff0b\uff0d\uff20])/gu;

/** @param columns fields of an item in this order; others are omitted */
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

/** Formats a CSV field (RFC 4180). An apostrophe disarms what a spreadsheet would run (OWASP, CSV Injection). */
export function csvField(value: unknown): string {
  if (value === null || value === undefined) return '';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const safe =
    typeof value === 'number' ? text : (FORMULA.test(text) ? `'${text}` : text).replace(INNER_FORMULA, "$&'");
  return /[",\r\n']/.test(safe) || safe !== safe.trim() ? `"${safe.replaceAll('"', '""')}"` : safe;
}
