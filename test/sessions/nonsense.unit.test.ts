import { describe, expect, it } from '@jest/globals';
import type { DevicePolicy, SlotDecision } from 'nestjs-latchkey';
import { serviceKinds } from '../support/databases.js';
import { useSessions } from './harness.js';

type Decide = (live: Parameters<DevicePolicy['decide']>[1]) => unknown;

/** What a policy of the application may return, and what the error says of it. */
const NONSENSE: readonly (readonly [string, Decide, RegExp])[] = [
  ['null', () => null, /returned null/],
  ['nothing', () => undefined, /returned undefined/],
  ['a Promise', () => Promise.resolve({ kind: 'grant', slot: 'a', end: [] }), /returned a Promise/],
  ['another kind', () => ({ kind: 'allow' }), /kind is "allow"/],
  ['no slot', () => ({ kind: 'grant', end: [] }), /granted undefined as the slot/],
  ['an empty slot', () => ({ kind: 'grant', slot: '', end: [] }), /granted "" as the slot/],
  ['a long slot', () => ({ kind: 'grant', slot: 'x'.repeat(65), end: [] }), /granted "x+" as the slot/],
  ['a slot that is taken', (live) => ({ kind: 'grant', slot: live[0]!.slot, end: [] }), /holds and keeps/],
  ['no list of ends', () => ({ kind: 'grant', slot: 'a' }), /undefined as the sessions to end/],
  ['a stranger to end', () => ({ kind: 'grant', slot: 'a', end: ['f'.repeat(32)] }), /wants to end "f+"/],
  ['nobody to end', () => ({ kind: 'grant', slot: 'a', end: [undefined] }), /wants to end undefined/],
  ['no limit', () => ({ kind: 'refuse' }), /the limit undefined/],
];

describe.each(serviceKinds)('functions of the application that return nonsense, on $name', (kind) => {
  let decide: Decide | null = null;
  let pick: (() => unknown) | null = null;
  let answer: unknown;
  const own = {
    name: 'own',
    decide: (candidate: { sessionId: string }, live) =>
      (decide ? decide(live) : { kind: 'grant', slot: candidate.sessionId, end: [] }) as SlotDecision,
  } satisfies DevicePolicy;
  const harness = useSessions(kind, {
    policy: () => (pick ? (pick() as DevicePolicy) : own),
    hooks: { beforeLogin: () => answer as boolean },
  });
  const refused = async () => {
    const before = await harness.sessions.list('alice');
    const error = (await harness.tokens.login('alice').then(String, (reason: unknown) => reason)) as Error;
    expect(await harness.sessions.list('alice')).toEqual(before);
    return error;
  };

  it.each(NONSENSE)(
    'a policy that returns %s is an error that names it, and nothing is recorded',
    async (_, wrong, says) => {
      await harness.tokens.login('alice');
      decide = wrong;
      const error = await refused().finally(() => (decide = null));
      expect(error).toMatchObject({ code: 'CONFIGURATION_INVALID' });
      expect(error.message).toMatch(/^The device policy "own" /);
      expect(error.message).toMatch(says);
      await harness.tokens.login('alice');
    },
  );

  it('what a policy throws comes through as it is', async () => {
    const thrown = new TypeError('of the application');
    decide = () => {
      throw thrown;
    };
    expect(await refused().finally(() => (decide = null))).toBe(thrown);
  });

  it.each([[undefined], [null], [{}], [Promise.resolve(own)]])(
    'a function that picks %p for a policy',
    async (picked) => {
      pick = () => picked;
      const error = await refused().finally(() => (pick = null));
      expect(error).toMatchObject({ code: 'CONFIGURATION_INVALID' });
      expect(error.message).toContain('option "policy"');
    },
  );

  it.each([[0], ['no'], [null], [{}]])('a beforeLogin hook that returns %p has not said yes', async (returned) => {
    answer = returned;
    const error = await refused().finally(() => (answer = undefined));
    expect(error).toMatchObject({ code: 'CONFIGURATION_INVALID' });
    expect(error.message).toContain('hooks.beforeLogin');
  });
});
