import { beforeEach, describe, expect, it } from '@jest/globals';
import { ChangeBus, type NoticeHandler, parseAnswer, parseMessage, writeAnswer, writeMessage } from 'lib/change-bus.js';
import { END_REASONS } from 'lib/model/session.js';
import type { Messenger } from 'lib/shared-cache.js';
import fc from 'fast-check';

const anyNumber = fc.maxSafeInteger();
const message = fc.record({
  from: fc.string({ unit: 'binary' }),
  number: fc.option(anyNumber),
  changes: fc.array(
    fc.record(
      {
        sessionId: fc.string({ unit: 'binary' }),
        version: anyNumber,
        end: fc.record({ reason: fc.constantFrom(...END_REASONS), at: anyNumber, by: fc.string({ unit: 'binary' }) }),
      },
      { requiredKeys: ['sessionId', 'version'] },
    ),
  ),
  scopes: fc.array(
    fc.record({
      kind: fc.constantFrom('account' as const, 'realm' as const),
      id: fc.string({ unit: 'binary' }),
      version: anyNumber,
      end: fc.option(
        fc.record({
          reason: fc.constantFrom(...END_REASONS),
          at: anyNumber,
          by: fc.string({ unit: 'binary' }),
          replacedBy: fc.constant(null),
        }),
      ),
    }),
  ),
  keys: fc.array(fc.string({ unit: 'binary' })),
});
const answer = fc.record({ from: fc.string({ unit: 'binary' }), numbers: fc.array(anyNumber) });

const MESSAGE = writeMessage({
  from: 'n',
  number: 7,
  changes: [{ sessionId: 's', version: 2 }],
  scopes: [],
  keys: ['k'],
});
const ANSWER = writeAnswer({ from: 'n', numbers: [1, 2] });

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
  '[1,"n",null,{"length":1,"0":["session","s",2]},[]]',
  '[1,"n",null,[["planet","k",1]],[]]',
  '[1,"n",null,[["account","k",1,"SESSION_GONE",1,"root"]],[]]',
  '[1,"n",null,[["account","k"]],[]]',
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
    ['another version', [2, 'n', 7, [['session', 's', 2]], ['k']]],
    ['a later version with more to say', [1, 'n', 7, [['session', 's', 2]], ['k'], 'more']],
    ['no sender', [1, null, 7, [['session', 's', 2]], ['k']]],
    ['a number that is text', [1, 'n', '7', [['session', 's', 2]], ['k']]],
    ['a number that is none', [1, 'n', 1.5, [['session', 's', 2]], ['k']]],
    ['a change that is no list', [1, 'n', 7, [{ sessionId: 's', version: 2 }], ['k']]],
    ['a change without version', [1, 'n', 7, [['session', 's']], ['k']]],
    ['a version that is text', [1, 'n', 7, [['session', 's', '2']], ['k']]],
    ['a version that is not exact', [1, 'n', 7, [['session', 's', 2 ** 60]], ['k']]],
    ['a session that is an object', [1, 'n', 7, [['session', { toString: 's' }, 2]], ['k']]],
    ['a change of another kind', [1, 'n', 7, [['planet', 's', 2]], ['k']]],
    ['an end without its time', [1, 'n', 7, [['session', 's', 2, 'SESSION_KICKED']], ['k']]],
    ['an end for no known reason', [1, 'n', 7, [['session', 's', 2, 'BORED', 1, 'root']], ['k']]],
    ['an end that says more', [1, 'n', 7, [['session', 's', 2, 'SESSION_KICKED', 1, 'root', 1]], ['k']]],
    ['keys that are one text', [1, 'n', 7, [['session', 's', 2]], 'k']],
    ['a key that is none', [1, 'n', 7, [['session', 's', 2]], [['k']]]],
    ['keys missing', [1, 'n', 7, [['session', 's', 2]]]],
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

class Wire {
  readonly messages: string[] = [];
  readonly answers: { readonly to: string; readonly text: string }[] = [];
  readonly buses = new Map<string, ChangeBus>();

  join(nodeId: string, onNotice: NoticeHandler = () => undefined): ChangeBus {
    const messenger: Messenger = {
      isConnected: true,
      send: async (text) => {
        this.messages.push(text);
        for (const bus of this.buses.values()) bus.receiveMessage(text);
      },
      answer: async (to, text) => {
        this.answers.push({ to, text });
        this.buses.get(to)?.receiveAnswer(text);
      },
    };
    const bus = new ChangeBus({ nodeId, messenger, onNotice });
    this.buses.set(nodeId, bus);
    return bus;
  }

  sent() {
    return this.messages.map((text) => parseMessage(text)!);
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
const change = (version: number) => ({ sessionId: `session ${version}`, version });

describe('the messages of a node', () => {
  let wire: Wire;
  let one: ChangeBus;
  beforeEach(() => {
    wire = new Wire();
    one = wire.join('one');
  });

  it('that are sent in one turn are one', async () => {
    one.announce({ changes: [change(1)], keys: ['a'] });
    one.announce({ changes: [change(2)] });
    const receipt = one.publish({ keys: ['a', 'b'] });
    expect(wire.messages).toEqual([]);
    await turn();
    expect(wire.sent()).toEqual([
      { from: 'one', number: 1, changes: [change(1), change(2)], scopes: [], keys: ['a', 'b'] },
    ]);
    receipt.close();
    one.announce({ changes: [change(3)] });
    await turn();
    expect(wire.sent()[1]).toEqual({ from: 'one', number: null, changes: [change(3)], scopes: [], keys: [] });
  });

  it('are not endless: full ones are sent and others begun', async () => {
    for (let index = 0; index < 2500; index++) one.announce({ changes: [change(index)] });
    await turn();
    expect(wire.sent().map(({ changes }) => changes.length)).toEqual([1000, 1000, 500]);
    expect(new Set(wire.sent().flatMap(({ changes }) => changes.map(({ version }) => version))).size).toBe(2500);
  });

  it('are answered by those that have done what they say, and only where somebody waits', async () => {
    const done: unknown[] = [];
    wire.join('two', ({ changes, keys }) => done.push(changes, keys));
    one.announce({ changes: [change(1)] });
    await turn();
    await turn();
    expect([done, wire.answers]).toEqual([[[change(1)], []], []]);
    const receipt = one.publish({ changes: [change(2)], keys: ['k'] });
    await Promise.resolve();
    expect(done.slice(2)).toEqual([[change(2)], ['k']]);
    expect([...receipt.acknowledgedBy]).toEqual([]);
    await one.nextAnswer();
    expect([...receipt.acknowledgedBy]).toEqual(['two']);
  });

  it('are not answered by one that could not do what they say', async () => {
    wire.join('two', () => {
      throw new Error('not done');
    });
    const text = writeMessage({ from: 'one', number: 1, changes: [], scopes: [], keys: [] });
    expect(() => wire.buses.get('two')!.receiveMessage(text)).toThrow('not done');
    await turn();
    expect(wire.answers).toEqual([]);
  });

  it('are answered once for all that came together, to each node that sent some', async () => {
    const two = wire.join('two');
    for (const [index, from] of ['one', 'three', 'one', 'one'].entries()) {
      two.receiveMessage(writeMessage({ from, number: index + 1, changes: [], scopes: [], keys: ['k'] }));
    }
    expect(wire.answers).toEqual([]);
    await Promise.resolve();
    expect(wire.answers.map(({ to, text }) => [to, parseAnswer(text)])).toEqual([
      ['one', { from: 'two', numbers: [1, 3, 4] }],
      ['three', { from: 'two', numbers: [2] }],
    ]);
  });

  it('are answered by all others', async () => {
    const two = wire.join('two');
    wire.join('three');
    const receipts = [one.publish({ keys: ['a'] }), two.publish({ keys: ['b'] })];
    await turn();
    expect(receipts.map(({ acknowledgedBy }) => [...acknowledgedBy].sort())).toEqual([
      ['three', 'two'],
      ['one', 'three'],
    ]);
  });

  it('confirm nothing else: neither another message nor one that nobody waits for any more', async () => {
    const [first, second] = [one.publish({ keys: ['a'] }), one.publish({ keys: ['a'] })];
    await turn();
    const third = one.publish({ keys: ['b'] });
    await turn();
    one.receiveAnswer(writeAnswer({ from: 'two', numbers: [1, 99] }));
    expect([first, second, third].map(({ acknowledgedBy }) => acknowledgedBy.size)).toEqual([1, 1, 0]);
    first.close();
    one.receiveAnswer(writeAnswer({ from: 'three', numbers: [1] }));
    expect(second.acknowledgedBy.size).toBe(2);
    second.close();
    one.receiveAnswer(writeAnswer({ from: 'four', numbers: [1] }));
    expect(second.acknowledgedBy.size).toBe(2);
  });

  it('of which nobody awaits the answer when they are sent ask for none', async () => {
    one.publish({ keys: ['a'] }).close();
    await turn();
    expect(wire.sent()[0]!.number).toBeNull();
  });

  it('are no news to itself, and what is no message is none', async () => {
    const heard: unknown[] = [];
    const two = wire.join('two', ({ changes }) => heard.push(changes));
    two.publish({ keys: ['own'] });
    await turn();
    for (const text of ['', '[]', '{"from":"one"}', '[9,"one",1,[],[]]']) {
      two.receiveMessage(text);
      two.receiveAnswer(text);
    }
    await turn();
    expect([heard, wire.answers.map(({ to }) => to)]).toEqual([[], ['two']]);
  });
});
