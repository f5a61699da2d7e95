import type { EpochRules } from './rules.js';
import {
  type Ask,
  BOTH,
  type EpochState,
  type Made,
  type Moment,
  type Step,
  endOf,
  heardBy,
  isBelow,
  isOf,
  nowOf,
} from './state.js';

/** A change that some other node makes, until it is acknowledged: N has heard of it. */
export function changeSteps(rules: EpochRules, state: EpochState, ask: Exclude<Ask, 'login'>, step: Step): void {
  const { made, heard, heardVersions } = state;
  const change = made[ask];
  if (!change) {
    step('elsewhere', `commits "${ask}"`, committed(rules, state, ask));
  } else if (!heard.includes(ask)) {
    step('N', `hears of "${ask}"`, heardBy(state, [ask], rules.keptHeardWithEnd));
  } else if (!change.isAcknowledged && heardVersions.includes(ask)) {
    step('elsewhere', `"${ask}" is acknowledged`, { made: { ...made, [ask]: { ...change, isAcknowledged: true } } });
  }
}

function committed(rules: EpochRules, state: EpochState, ask: Exclude<Ask, 'login'>): Partial<EpochState> {
  const { moments, made, time: at } = state;
  const now = nowOf(state);
  const [first, second] = now.rows;
  const scope = ask === 'end everything' ? 'realm' : 'account';
  const number = (scope === 'realm' ? now.realm : now.version) + 1;
  const ends = ask === 'ban' ? null : scope === 'realm' ? now.realm : now.epoch;
  const isKept = ask === 'end all others' && !endOf(state, 0);
  const isEnded = (s: 0 | 1) => ends !== null && now.rows[s] && !endOf(state, s) && !(s === 0 && isKept);
  const ended = BOTH.reduce<number>((bits, s) => (isEnded(s) ? bits | (1 << s) : bits), 0);
  const kept = { ...first, version: first.version + 1, account: number };
  const next: Moment = {
    ...now,
    ...(scope === 'realm' ? { realm: number } : { version: number, epoch: ends === null ? now.epoch : number }),
    isBanned: now.isBanned || ask === 'ban',
    rows: isKept && rules.keptInSameStep ? [kept, second] : now.rows,
  };
  const version = isKept ? kept.version : 0;
  const is: Made = { scope, number, ends, at, ended, version, isAcknowledged: false };
  return { moments: [...moments, next], made: { ...made, [ask]: is } };
}

/** Records a login at N under the lock of the account: it takes the one slot. */
export function openSession(rules: EpochRules, state: EpochState, step: Step): void {
  const { moments, made, readRealm, time: at } = state;
  const now = nowOf(state);
  const [first] = now.rows;
  const isOpen = (now.closed & 1) === 0;
  const replaces = isOpen && first.account === now.epoch && first.realm === now.realm;
  const isTaken = isOpen && !replaces;
  if (isTaken && !rules.slotsBeginWithEpochs) {
    step('login', 'finds its slot taken', { fault: 'a session that has ended keeps a login out' });
    return;
  }
  if (isTaken && first.account === now.epoch && first.realm === readRealm) {
    step('login', 'finds its slot taken by a session of the epoch that it has read', { login: 'idle' });
    return;
  }
  const logged = Object.values(made).filter((one) => one.ends !== null && one.at === at);
  const isUnsettled = logged.some(({ scope, isAcknowledged }) =>
    scope === 'account' ? rules.loginSettlesAccount : !isAcknowledged && rules.loginSettlesRealm,
  );
  const opened = { version: 0, account: now.epoch, realm: readRealm, openedAt: at };
  const next: Moment = { ...now, rows: [first, opened], closed: now.closed | (replaces ? 1 : 0) };
  const is = { scope: null, number: 0, ends: null, at, isAcknowledged: false };
  // One that had read the epoch of the realm before everything was ended has come first, and is ended with the others.
  const everything = made['end everything'];
  const isBehind = everything && readRealm < now.realm;
  const after = {
    ...state,
    moments: [...moments, next],
    made: {
      ...made,
      ...(isBehind && { 'end everything': { ...everything, ended: everything.ended | 2 } }),
      login: { ...is, ended: replaces ? 1 : 0, version: replaces ? Infinity : 0 },
    },
    login: replaces || isUnsettled ? ('waits' as const) : ('has settled' as const),
  };
  step('login', replaces ? 'replaces the session' : 'takes the slot', { ...after, ...heardBy(after, ['login']) });
}

/** Any node closes a row for a mass end that it has taken. */
export function closingSteps(rules: EpochRules, state: EpochState, step: Step): void {
  const { moments, made } = state;
  const now = nowOf(state);
  const changes = Object.values(made);
  for (const s of BOTH) {
    const row = now.rows[s];
    if (!row || now.closed & (1 << s)) continue;
    if (!changes.some((one) => (rules.closesItsEpoch ? isOf(row, one) : one.ends !== null))) continue;
    const end = rules.closedByFirstEnd
      ? changes.find((one) => isOf(row, one))
      : changes.findLast((one) => isBelow(row, one));
    const isRight = end !== undefined && end === endOf(state, s);
    const fault = isRight ? null : `the row of session ${s} says what did not end it`;
    step('elsewhere', `closes the row of session ${s}`, {
      moments: [...moments.slice(0, -1), { ...now, closed: now.closed | (1 << s) }],
      fault,
    });
  }
}
