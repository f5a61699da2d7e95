import { describe, expect, it } from '@jest/globals';
import { search } from '../checker.js';
import { isSoak } from '../../support/size.js';
import { AccountEpochs } from './account-epochs.js';
import { LOST_EPOCH_RULES, type LostEpochRule, type LostEpochState, LostEpochs } from './lost-epochs.js';
import { EPOCH_RULES, type EpochRule } from './rules.js';
import type { Ask, EpochState } from './state.js';

const SCENARIOS = {
  'an end and a login': ['end all', 'login'],
  'an end of all others and a login': ['end all others', 'login'],
  'everybody out and a login': ['end everything', 'login'],
  'a ban and an end of all others': ['ban', 'end all others'],
  'two ends of an account': ['end all', 'end all again'],
  'an end and everybody out': ['end all', 'end everything'],
  'two ends and a login': ['end all others', 'end everything', 'login'],
  'three ends': ['end all others', 'end all', 'end everything'],
  'a ban, an end and a login': ['ban', 'end all', 'login'],
} satisfies Record<string, readonly Ask[]>;

type ScenarioName = keyof typeof SCENARIOS;

/** Searched in the soak alone. */
const LARGE = new Set<string>([
  'two ends and a login',
  'three ends',
  'a ban, an end and a login',
] satisfies ScenarioName[]);

/** Each rule, and where it is needed. */
const NEEDED: Readonly<Record<EpochRule, ScenarioName>> = {
  rowsGoByAccount: 'an end and a login',
  rowsGoByRealm: 'everybody out and a login',
  nearCheckedByEpoch: 'an end and a login',
  sharedCheckedByEpoch: 'an end and a login',
  copiesGoByAccount: 'an end and a login',
  copiesGoByRealm: 'everybody out and a login',
  bansRaiseVersion: 'a ban and an end of all others',
  comparedByNumber: 'an end and a login',
  keptInSameStep: 'an end of all others and a login',
  keptHeardWithEnd: 'an end of all others and a login',
  refusedByLatestCopy: 'an end of all others and a login',
  refusedByYoungCopy: 'an end of all others and a login',
  slotsBeginWithEpochs: 'an end and a login',
  loginSettlesAccount: 'an end and a login',
  loginSettlesRealm: 'everybody out and a login',
  loginLooksAgain: 'everybody out and a login',
  closesItsEpoch: 'an end of all others and a login',
  closedByFirstEnd: 'two ends of an account',
};

describe('ends of many at once', () => {
  it.each(Object.entries<readonly Ask[]>(SCENARIOS).filter(([name]) => isSoak || !LARGE.has(name)))(
    'are true everywhere once they are acknowledged, and end nothing else: %s',
    (_, asks) => {
      const model = new AccountEpochs(asks, EPOCH_RULES);
      expect(search(model, (state) => model.isBroken(state)).trace).toBeNull();
    },
  );

  const kept = new AccountEpochs(SCENARIOS['an end of all others and a login'], EPOCH_RULES);
  const out = new AccountEpochs(SCENARIOS['everybody out and a login'], EPOCH_RULES);

  it.each<[string, AccountEpochs, (state: EpochState) => boolean]>([
    ['a holder is refused by a copy', out, (state) => out.copyRefuses(state, 0)],
    [
      'a copy of before is there of a session that was kept',
      kept,
      ({ heard, young }) => heard.includes('end all others') && (young[0] & 1) !== 0,
    ],
    [
      'a login has the slot of a row that is not closed',
      out,
      ({ login, moments }) => login === 'is answered' && moments.at(-1)!.closed === 0,
    ],
    ['a login is refused that had begun before', out, ({ login }) => login === 'is refused'],
    ['the rows of both are closed', out, ({ moments }) => moments.at(-1)!.closed === 3],
    [
      'ends are forgotten before their rows are closed',
      out,
      ({ time, made, heard }) => {
        return time === 1 && made['end everything']?.isAcknowledged === true && heard.length === 0;
      },
    ],
  ])('is not empty: %s', (_, model, happens) => {
    expect(search(model, happens).trace).not.toBeNull();
  });

  it.each(Object.entries(NEEDED) as [EpochRule, ScenarioName][])('need %s', (rule, name) => {
    const model = new AccountEpochs(SCENARIOS[name], { ...EPOCH_RULES, [rule]: false });
    expect(search(model, (state) => model.isBroken(state)).trace).not.toBeNull();
  });
});

describe('a database that loses ends of whole accounts', () => {
  const isBroken = (rules: Partial<Record<LostEpochRule, boolean>>) => {
    const model = new LostEpochs({ ...LOST_EPOCH_RULES, ...rules });
    return search(model, (state) => model.isBroken(state)).trace !== null;
  };

  it('has nothing accepted that a node knows to be ended, nor a later login refused', () => {
    expect(isBroken({})).toBe(false);
  });

  it.each<[string, (state: LostEpochState) => boolean]>([
    [
      'a number is an end in one primary, and a ban in the other',
      ({ primaries: [first, second] }) => first.epoch === 1 && second?.version === 1 && second.isBanned,
    ],
    ['a login follows an end that was written again', ({ login }) => login !== null && login > 0],
    ['a copy of the new server is used', (state) => state.at === 2 && state.copies.some(({ from }) => from === 1)],
  ])('is not empty: %s', (_, happens) => {
    expect(search(new LostEpochs(LOST_EPOCH_RULES), happens).trace).not.toBeNull();
  });

  it.each(Object.keys(LOST_EPOCH_RULES) as LostEpochRule[])('needs %s', (rule) => {
    expect(isBroken({ [rule]: false })).toBe(true);
  });
});
