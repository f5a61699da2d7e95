import { describe, expect, it } from '@jest/globals';
import { search } from './checker.js';
import { LONE_RULES, type LoneRule, LoneNodes } from './lone-node.js';
import { LOSS_RULES, type LossRule, type LossState, LostCommits } from './lost-commits.js';
import { Protocol } from './protocol.js';
import { RULES, type Rule, allRulesBut } from './rules.js';
import { isSoak, sized } from '../support/size.js';
import type { EndRequest, Scenario } from './scenario.js';
import { Phase, type State } from './state.js';
import { PRIMARY_RULES, type PrimaryRule, type PrimaryState, TwoPrimaries } from './two-primaries.js';

const elsewhere = (kind: EndRequest['kind'] = 'end'): EndRequest => ({ by: null, kind });
const atN = (kind: EndRequest['kind'] = 'end'): EndRequest => ({ by: 0, kind });
const atM = (kind: EndRequest['kind'] = 'end'): EndRequest => ({ by: 1, kind });

const SMALL = { nodes: 1, freshness: 1, silence: 1, copyAge: 2 };
const LATE = { ...SMALL, copyAge: 3, lateCommits: true };
const TWO = { ...SMALL, nodes: 2, isCoarse: true };

/** One node and ends elsewhere show all that can happen to a node; two nodes are there to see that this is so. */
const SCENARIOS = {
  'one end': { ...SMALL, ends: [elsewhere()] },
  'slow reads and crashes': { ...SMALL, ends: [elsewhere()], slowReads: true, crashes: true },
  'an end at the node itself': { ...SMALL, ends: [atN()], slowReads: true, crashes: true },
  'slow commits': { ...LATE, ends: [elsewhere()], slowReads: true },
  'an outage': { ...SMALL, ends: [elsewhere()], copyAge: 3, silence: 2 },
  'an outage, slow commits and crashes': { ...LATE, ends: [elsewhere()], copyAge: 4, silence: 2, crashes: true },
  'rows that are written late': { ...SMALL, ends: [elsewhere()], lateRows: true },
  'two ends': { ...SMALL, ends: [elsewhere(), elsewhere()], isCoarse: true },
  'two ends, one at the node': { ...SMALL, ends: [elsewhere(), atN()] },
  'two ends at the node': { ...SMALL, ends: [atN(), atN()], crashes: true },
  'a rotation and an end': { ...SMALL, copyAge: 3, ends: [elsewhere('rotation'), atN()], isCoarse: true },
  'a rotation at the node and an end': { ...SMALL, ends: [atN('rotation'), elsewhere()], isCoarse: true },
  'an end and a login': { ...LATE, ends: [elsewhere(), elsewhere('login')], isCoarse: true },
  'an end and a login at the node': { ...LATE, ends: [elsewhere(), atN('login')], isCoarse: true },
  'two nodes': { ...TWO, ends: [atN()] },
  'two nodes and an end at each': { ...TWO, ends: [atN(), atM()], isCalm: true },
} satisfies Record<string, Scenario>;

type ScenarioName = keyof typeof SCENARIOS;

/** Searched in the soak alone: each has more states than all that are small. */
const LARGE = new Set<string>([
  'an outage, slow commits and crashes',
  'two ends, one at the node',
  'a rotation and an end',
  'two nodes and an end at each',
] satisfies ScenarioName[]);

/** Each rule that the promise needs, and where it does. */
const NEEDED: Readonly<Partial<Record<Rule, ScenarioName>>> = {
  sharedCheckedAtUse: 'one end',
  copiesAge: 'one end',
  purgedWhenSeen: 'slow commits',
  pollsAge: 'one end',
  pollAgesFromStart: 'one end',
  wholeLogFirst: 'slow reads and crashes',
  readInCommitOrder: 'slow commits',
  windowOutlivesRetreat: 'one end',
  announcedFirst: 'one end',
  rowBeforeLog: 'one end',
  retreatBeforeRow: 'one end',
  rowsInOrder: 'rows that are written late',
  polledMeansComplete: 'one end',
  polledLaterThanList: 'one end',
  appliedBeforeAcknowledged: 'one end',
  waitsForMembers: 'one end',
  listedAfterCommit: 'one end',
  silenceCoversOutage: 'an outage',
  secondEndWaits: 'two ends, one at the node',
  keysHeld: 'two ends, one at the node',
  ownKeysHeld: 'two ends, one at the node',
  keysReleasedByLaterPoll: 'two ends, one at the node',
  loginReadsLog: 'an end and a login',
  joinsUnsentReadsOnly: 'slow reads and crashes',
};

/** Rules that have another one behind them, as long as they are missing one by one. */
const SPARE: Readonly<Partial<Record<Rule, readonly ScenarioName[]>>> = {
  nearCheckedAtUse: ['slow reads and crashes', 'slow commits'],
  nearCheckedAtFill: ['slow reads and crashes', 'slow commits'],
  nearDroppedByChange: ['slow reads and crashes', 'slow commits'],
  heldDuringChange: ['two ends, one at the node', 'two ends at the node'],
};

describe('the freshness protocol', () => {
  it.each(Object.entries<Scenario>(SCENARIOS).filter(([name]) => isSoak || !LARGE.has(name)))(
    'accepts nothing whose end was acknowledged: %s',
    (_, scenario) => {
      const protocol = new Protocol(scenario, RULES);
      expect(search(protocol, (state) => protocol.isBroken(state)).trace).toBeNull();
    },
  );

  const one = new Protocol(SCENARIOS['slow reads and crashes'], RULES);
  const two = new Protocol({ ...SMALL, nodes: 2, ends: [atN()], isCalm: true }, RULES);
  const usesCopies = (protocol: Protocol, state: State) =>
    state.nodes.every((_, n) => protocol.usesNear(state, n) && protocol.usesShared(state, n));
  const isTelling = ({ world }: State) => world.ends[0]!.phase === Phase.Telling && !world.ends[0]!.acknowledgedBy;

  it.each<[string, Protocol, (state: State) => boolean]>([
    ['a request is answered from memory', one, (state) => one.usesNear(state, 0)],
    ['a request is answered from Redis', one, (state) => one.usesShared(state, 0) && !one.usesNear(state, 0)],
    ['two nodes use copies', two, (state) => usesCopies(two, state)],
    [
      'an end is acknowledged while two nodes use what they remember',
      two,
      ({ world, nodes }) =>
        world.ends[0]!.phase === Phase.Acknowledged && nodes.every(({ isActive, pollAge }) => isActive && pollAge <= 1),
    ],
    ['a node answers by its row', one, (state) => isTelling(state) && state.nodes[0]!.rowPolled !== 0],
    ['a node is silent for long enough', one, (state) => isTelling(state) && state.nodes[0]!.rowAge > 1],
    ['a node crashes before it knows of its end', one, (state) => state.world.ends[0]!.phase === Phase.Abandoned],
  ])('is not empty: %s', (_, protocol, happens) => {
    expect(search(protocol, happens).trace).not.toBeNull();
  });

  it.each(Object.entries(NEEDED) as [Rule, ScenarioName][])('needs %s', (rule, name) => {
    const protocol = new Protocol(SCENARIOS[name], allRulesBut(rule));
    expect(search(protocol, (state) => protocol.isBroken(state)).trace).not.toBeNull();
  });

  it.each(Object.entries(SPARE) as [Rule, ScenarioName[]][])('does without %s alone', (rule, names) => {
    for (const name of sized(names)) {
      const protocol = new Protocol(SCENARIOS[name], allRulesBut(rule));
      expect(search(protocol, (state) => protocol.isBroken(state)).trace).toBeNull();
    }
  });

  it.each<[Rule, Rule]>([
    ['nearCheckedAtUse', 'nearCheckedAtFill'],
    ['nearCheckedAtUse', 'nearDroppedByChange'],
  ])('needs %s or %s', (...rules) => {
    const protocol = new Protocol(SCENARIOS['slow reads and crashes'], allRulesBut(...rules));
    expect(search(protocol, (state) => protocol.isBroken(state)).trace).not.toBeNull();
  });

  it('has no rule that is not looked at', () => {
    expect([...Object.keys(NEEDED), ...Object.keys(SPARE)].sort()).toEqual(Object.keys(RULES).sort());
  });

  it('tells how a promise is broken', () => {
    const protocol = new Protocol(SCENARIOS['two ends, one at the node'], allRulesBut('ownKeysHeld'));
    expect(search(protocol, (state) => protocol.isBroken(state)).trace).toEqual([
      'N: begins a poll that says copies',
      'N: writes its row',
      'N: reads the change log',
      'N: completes the poll',
      'N: reads the database and keeps a copy',
      'end 1 (elsewhere): writes the change and commits',
      'end 2 (at N): finds it ended already, publishes its key, lists the members',
      'end 2 (at N): is acknowledged',
    ]);
  });
});

describe('a database that loses commits', () => {
  const isBroken = (rules: Partial<Record<LossRule, boolean>>) => {
    const model = new LostCommits({ ...LOSS_RULES, ...rules });
    return search(model, (state) => model.isBroken(state)).trace !== null;
  };

  it('has nothing accepted that a node knows to be ended, also beside a primary that goes on', () => {
    expect(isBroken({})).toBe(false);
  });

  it.each<[string, (state: LossState) => boolean]>([
    [
      'versions are used twice',
      ({ primaries: [first, second] }) => first.hasEnded && (second?.version ?? 0) > first.version,
    ],
    [
      'two primaries go on',
      ({ primaries: [first, second], nodes }) => first.hasEnded && !!second && nodes[0].at !== nodes[1].at,
    ],
    ['an end is written again', ({ primaries: [, second], nodes }) => !!second?.hasEnded && nodes[0].owes === 2],
  ])('is not empty: %s', (_, happens) => {
    expect(search(new LostCommits(LOSS_RULES), happens).trace).not.toBeNull();
  });

  it.each(Object.keys(LOSS_RULES) as LossRule[])('needs %s', (rule) => {
    expect(isBroken({ [rule]: false })).toBe(true);
  });
});

describe('a primary that can be read and not written', () => {
  const traceOf = (rules: Partial<Record<PrimaryRule, boolean>>) => {
    const model = new TwoPrimaries({ ...PRIMARY_RULES, ...rules });
    return search(model, (state) => model.isBroken(state)).trace;
  };
  const model = new TwoPrimaries(PRIMARY_RULES);

  it('has nothing accepted that ended longer than the grace ago on the new one', () => {
    expect(traceOf({})).toBeNull();
  });

  it.each<[string, (state: PrimaryState) => boolean]>([
    ['requests are answered by the old one for a while', (state) => state.endAge === 1 && state.reads === 'old'],
    ['requests are answered by the new one', (state) => state.reads === 'new'],
  ])('is not empty: %s', (_, happens) => {
    expect(search(model, (state) => happens(state) && model.answers(state)).trace).not.toBeNull();
  });

  it.each(Object.keys(PRIMARY_RULES) as PrimaryRule[])('needs %s', (rule) => {
    expect(traceOf({ [rule]: false })).not.toBeNull();
  });
});

describe('nodes without messages', () => {
  const isBroken = (rules: Partial<Record<LoneRule, boolean>>) => {
    const nodes = new LoneNodes({ ...LONE_RULES, ...rules });
    return search(nodes, (state) => nodes.isBroken(state)).trace !== null;
  };

  it('never acknowledge without asking while another one uses copies', () => {
    expect(isBroken({})).toBe(false);
  });

  it('are not all silent', () => {
    const nodes = new LoneNodes(LONE_RULES);
    expect(search(nodes, ([n, m]) => nodes.usesCopies(n) && !nodes.asksNobody(m)).trace).not.toBeNull();
    expect(search(nodes, ([n, m]) => nodes.asksNobody(n) && nodes.asksNobody(m)).trace).not.toBeNull();
  });

  it.each(Object.keys(LONE_RULES) as LoneRule[])('need %s', (rule) => {
    expect(isBroken({ [rule]: false })).toBe(true);
  });
});
