import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { EventStreamParser, type StreamEvent } from 'lib/event-stream.js';
import { JsonLinesParser } from 'lib/json-lines.js';

/** The text in pieces, cut at these places. */
const pieces = (text: string, cuts: readonly number[]): string[] => {
  const places = [0, ...cuts.map((cut) => cut % (text.length + 1)).sort((a, b) => a - b), text.length];
  return places.slice(1).map((end, index) => text.slice(places[index], end));
};
const cuts = fc.array(fc.nat(), { maxLength: 12 });
const lineEnd = fc.constantFrom('\n', '\r\n', '\r');
const line = fc.string({ unit: fc.constantFrom('a', ' ', ':', '{', '中', '😀', '\t') });

describe('the parser of event streams', () => {
  const read = (parts: readonly string[], lastId?: string): StreamEvent[] => {
    const parser = new EventStreamParser(lastId);
    return parts.flatMap((part) => parser.push(part));
  };

  it('finds the events that were written, however the stream is cut and its lines end', () => {
    const event = fc.record({
      event: fc.constantFrom('change', 'online', 'overflow'),
      id: fc.option(fc.stringMatching(/^\d{1,6}$/), { nil: undefined }),
      data: fc.array(line, { minLength: 1, maxLength: 3 }),
      comment: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(event), lineEnd, cuts, fc.boolean(), (events, end, places, bom) => {
        const text = events
          .map(({ event: name, id, data, comment }) =>
            [
              ...(comment ? [': still here'] : []),
              `event: ${name}`,
              ...(id === undefined ? [] : [`id:${id}`]),
              ...data.map((each) => `data: ${each}`),
              '',
              '',
            ].join(end),
          )
          .join('');
        let last = '';
        const expected = events.map(({ event: name, id, data }) => {
          last = id ?? last;
          return { event: name, id: last, data: data.join('\n') };
        });
        expect(read(pieces((bom ? '\uFEFF' : '') + text, places))).toEqual(expected);
      }),
    );
  });

  it('says the same of any text as when it comes in one piece', () => {
    const text = fc.string({
      unit: fc.constantFrom('\r', '\n', ':', ' ', 'd', 'data', 'id', 'event', 'retry', '1', '\0'),
    });
    fc.assert(
      fc.property(text, cuts, (whole, places) => {
        expect(read(pieces(whole, places))).toEqual(read([whole]));
      }),
    );
  });

  it('goes on from the id of the connection before, and ignores one with a zero character', () => {
    expect(read(['data: 1\n\nid: 8\0\ndata: 2\n\nid: 9\ndata: 3\n\n'], '7').map(({ id }) => id)).toEqual([
      '7',
      '7',
      '9',
    ]);
  });

  it('calls an event without a name message, and gives none without data', () => {
    expect(read(['event: online\n\ndata\n\n'])).toEqual([{ event: 'message', data: '', id: '' }]);
  });

  it('knows how long to wait, if the stream says it in digits', () => {
    const parser = new EventStreamParser();
    parser.push('retry: 2500\nretry: soon\n');
    expect(parser.retryMs).toBe(2500);
  });
});

describe('the parser of JSON lines', () => {
  it('finds the values that were written, however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), lineEnd, cuts, fc.boolean(), (values, end, places, complete) => {
        const text = values.map((value) => JSON.stringify(value)).join(end + end) + (complete ? end : '');
        const parser = new JsonLinesParser();
        const found = [...pieces(text, places).flatMap((piece) => parser.push(piece)), ...parser.end()];
        expect(JSON.stringify(found)).toBe(JSON.stringify(values));
      }),
    );
  });

  it('fails for a line that is no JSON', () => {
    expect(() => new JsonLinesParser().push('{"done":1}\nBad gateway\n')).toThrow(SyntaxError);
  });
});
