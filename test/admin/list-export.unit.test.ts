import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { csvField, exportText } from 'lib/list-export.js';
import { rounds } from '../support/size.js';

/** What a spreadsheet may begin a formula with, also in its wide form (OWASP, CSV Injection). */
const FORMULA = '=+-@\uff1d\uff0b\uff0d\uff20';
/** What it may skip before it. */
const SKIPPED = ' \t\r\n\0\v\f\u00a0\u200b\u3000\ufeff';

/** Any text, and often one with a beginning that matters. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom(...SKIPPED, ...FORMULA, "'", '"', ',', ';', 'a', '1') }),
);

function beginsFormula(field: string): boolean {
  const first = [...field].find((character) => !SKIPPED.includes(character));
  return (first !== undefined && FORMULA.includes(first)) || /^[\t\r\n]/.test(field);
}

/** The records of a text, strictly as RFC 4180 says. */
function parseCsv(text: string): readonly (readonly string[])[] {
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/y;
  const records: string[][] = [[]];
  while (field.lastIndex < text.length) {
    const at = field.lastIndex;
    const found = field.exec(text);
    if (!found) throw new Error(`No field at ${at}: ${JSON.stringify(text)}`);
    const [, quoted, plain, end] = found;
    records.at(-1)!.push(quoted?.replaceAll('""', '"') ?? plain!);
    if (end === '\r\n') records.push([]);
  }
  return records.slice(0, -1);
}

/** Without the apostrophes that mark what is no formula. */
function unmarked(text: string): string {
  return text.replaceAll(/(^|[;\t\r\n])'+/g, '$1');
}

async function* once<T>(portion: readonly T[]): AsyncGenerator<readonly T[]> {
  yield portion;
}

async function textOf(parts: AsyncIterable<string>): Promise<string> {
  let text = '';
  for await (const part of parts) text += part;
  return text;
}

describe('A103: a list as CSV', () => {
  it('has no field that begins a formula, and gives every value back', async () => {
    const items = fc.array(fc.record({ one: anyText, two: anyText, three: fc.option(anyText) }));
    await fc.assert(
      fc.asyncProperty(items, async (all) => {
        const text = await textOf(exportText('csv', ['one', 'two', 'three'], once(all)));
        const [head, ...records] = parseCsv(text.slice(1));
        expect([text[0], head]).toEqual(['\ufeff', ['one', 'two', 'three']]);
        expect(records.length).toBe(all.length);
        for (const [index, { one, two, three }] of all.entries()) {
          for (const [column, value] of [one, two, three ?? ''].entries()) {
            const read = records[index]![column]!;
            expect(unmarked(read)).toBe(unmarked(value));
            expect(beginsFormula(read)).toBe(false);
          }
        }
      }),
      { numRuns: rounds('properties') },
    );
  });

  it('has none either where a spreadsheet divides it at semicolons, tabs and ends of lines, whatever is quoted', async () => {
    await fc.assert(
      fc.asyncProperty(anyText, anyText, async (one, two) => {
        const text = await textOf(exportText('csv', ['one', 'two'], once([{ one, two }])));
        const pieces = text.split(/[;\t\r\n]/).map((piece) => piece.replaceAll('"', ''));
        expect(pieces.filter(beginsFormula)).toEqual([]);
      }),
      { numRuns: rounds('properties') },
    );
  });

  it.each([
    ['=1+1', `"'=1+1"`],
    ['x;=1+1', `"x;'=1+1"`],
    ['x;"=1"', `"x;'""=1"""`],
    ['Mozilla/5.0 (X11; Linux)', 'Mozilla/5.0 (X11; Linux)'],
    ['\uff1dcmd', `"'\uff1dcmd"`],
    ['\0=1', `"'\0=1"`],
    ['\n@SUM(A1)', `"'\n'@SUM(A1)"`],
    ['a=1', 'a=1'],
    [-5, '-5'],
    [null, ''],
    [{ reason: 'a "b"' }, '"{""reason"":""a \\""b\\""""}"'],
  ])('writes %j as %j', (value, field) => expect(csvField(value)).toBe(field));
});
