import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseAnswer, parseMessage, writeAnswer, writeMessage } from 'lib/change-message.js';

const number = fc.maxSafeInteger();
const message = fc.record({
  from: fc.string({ unit: 'binary' }),
  number: fc.option(number),
  changes: fc.array(fc.record({ sessionId: fc.string({ unit: 'binary' }), version: number })),
  keys: fc.array(fc.string({ unit: 'binary' })),
});
const answer = fc.record({ from: fc.string({ unit: 'binary' }), numbers: fc.array(number) });

const MESSAGE = writeMessage({ from: 'n', number: 7, changes: [{ sessionId: 's', version: 2 }], keys: ['k'] });
const ANSWER = writeAnswer({ from: 'n', numbers: [1, 2] });

/** What other versions, other programs and broken ones may send. */
const FOREIGN = [
  '',
  'null',
  '1',
  '"text"',
  '{}',
  '[]',
  '[1]',
  '[1,"n"]',
  '{"__proto__":{"from":"n"}}',
  '[1,"n",null,{"length":1,"0":["s",2]},[]]',
  'heartbeat',
  '['.repeat(100_000),
];

describe('a message between nodes', () => {
  it('is read as it was written', () => {
    fc.assert(fc.property(message, (one) => expect(parseMessage(writeMessage(one))).toEqual(one)));
    fc.assert(fc.property(answer, (one) => expect(parseAnswer(writeAnswer(one))).toEqual(one)));
  });

  it.each(FOREIGN)('is nothing where it is %.60j', (text) => {
    expect([parseMessage(text), parseAnswer(text)]).toEqual([null, null]);
  });

  it.each([
    ['another version', [2, 'n', 7, [['s', 2]], ['k']]],
    ['a later version with more to say', [1, 'n', 7, [['s', 2]], ['k'], 'more']],
    ['no sender', [1, null, 7, [['s', 2]], ['k']]],
    ['a number that is text', [1, 'n', '7', [['s', 2]], ['k']]],
    ['a number that is none', [1, 'n', 1.5, [['s', 2]], ['k']]],
    ['a change that is no list', [1, 'n', 7, [{ sessionId: 's', version: 2 }], ['k']]],
    ['a change without version', [1, 'n', 7, [['s']], ['k']]],
    ['a version that is text', [1, 'n', 7, [['s', '2']], ['k']]],
    ['a version that is not exact', [1, 'n', 7, [['s', 2 ** 60]], ['k']]],
    ['a session that is an object', [1, 'n', 7, [[{ toString: 's' }, 2]], ['k']]],
    ['keys that are one text', [1, 'n', 7, [['s', 2]], 'k']],
    ['a key that is none', [1, 'n', 7, [['s', 2]], [['k']]]],
    ['keys missing', [1, 'n', 7, [['s', 2]]]],
  ])('is nothing where it has %s', (_what, parts) => {
    expect(parseMessage(JSON.stringify(parts))).toBeNull();
  });

  it.each([
    ['another version', [2, 'n', [1]]],
    ['more to say', [1, 'n', [1], 0]],
    ['a number that is text', [1, 'n', ['1']]],
    ['one number', [1, 'n', 1]],
    ['no sender', [1, 0, [1]]],
  ])('as an answer is nothing where it has %s', (_what, parts) => {
    expect(parseAnswer(JSON.stringify(parts))).toBeNull();
  });

  it('is nothing where a part of it is missing or broken, and reading never throws', () => {
    for (let length = 0; length < MESSAGE.length; length++) expect(parseMessage(MESSAGE.slice(0, length))).toBeNull();
    for (let length = 0; length < ANSWER.length; length++) expect(parseAnswer(ANSWER.slice(0, length))).toBeNull();
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), (text) => {
        for (const parse of [parseMessage, parseAnswer]) expect(() => parse(text)).not.toThrow();
      }),
    );
    const before = Object.keys(Object.prototype);
    parseMessage('[1,"n",null,[["__proto__",1]],["constructor"]]');
    expect(Object.keys(Object.prototype)).toEqual(before);
  });
});
