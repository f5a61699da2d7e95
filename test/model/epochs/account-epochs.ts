import type { Model, Visit } from '../checker.js';
import { changeSteps, closingSteps, openSession } from './database.js';
import type { EpochRules } from './rules.js';
import {
  type Ask,
  BOTH,
  type EpochState,
  type Made,
  type Moment,
  NONE,
  type SessionRow,
  type Step,
  type Which,
  endOf,
  heardBy,
  isBelow,
  isOf,
  knownVersion,
  newState,
  nowOf,
} from './state.js';

/**
 * Ends of all sessions of an account and of the realm, by numbers. Two sessions want one slot. The one node that is looked at
 * does the login; all else is done elsewhere. How long it takes a node to hear of a change, and for how long it may use copies, is
 * in the model of freshness: here it hears by a message or a poll, now or never, and what it has heard is acknowledged.
 */
export class AccountEpochs implements Model<EpochState> {
  readonly initial = newState();
  private readonly ids = new Map<string, number>();

  constructor(
    private readonly asks: readonly Ask[],
    private readonly rules: EpochRules,
  ) {}

  keyOf(state: EpochState): number {
    const text = JSON.stringify(state);
    const id = this.ids.get(text) ?? this.ids.size;
    this.ids.set(text, id);
    return id;
  }

  /** Something is accepted that an acknowledged change forbids, or refused though nothing ended it; or two have the slot. */
  isBroken(state: EpochState): boolean {
    const { fault, made, login } = state;
    if (fault !== null || (login === 'is answered' && this.accepts(state, 0))) return true;
    const acknowledged = Object.values(made).filter(({ isAcknowledged }) => isAcknowledged);
    return BOTH.some((s) => {
      if (!endOf(state, s) && (this.databaseRefuses(state, s) || this.copyRefuses(state, s))) return true;
      return acknowledged.some((one) => one === made.ban || one.ended & (1 << s)) && this.accepts(state, s);
    });
  }

  /** Whether the node refuses the holder of a token by a copy, and does not ask the database. */
  copyRefuses(state: EpochState, s: Which): boolean {
    const copies = state.young[s] | (this.rules.refusedByYoungCopy ? 0 : state.old[s]);
    return state.moments.some(({ rows }, t) => {
      if (!(copies & (1 << t)) || !this.knowsEndOf(state, rows[s]!)) return false;
      return !this.rules.refusedByLatestCopy || rows[s]!.version >= knownVersion(state, s);
    });
  }

  forEachStep(state: EpochState, visit: Visit<EpochState>): void {
    const step: Step = (who, what, next) => visit(who, what, { ...state, ...next });
    for (const ask of this.asks) {
      if (ask === 'login') this.loginSteps(state, step);
      else changeSteps(this.rules, state, ask, step);
    }
    this.nodeSteps(state, step);
    closingSteps(this.rules, state, step);
  }

  private accepts(state: EpochState, s: Which): boolean {
    const { moments, near } = state;
    const now = nowOf(state);
    if (this.readsLive(state, now, s) && !now.isBanned) return true;
    if (this.usesNear(state, s) && !moments[near[s]]!.isBanned) return true;
    return moments.some(({ isBanned }, t) => !isBanned && this.usesShared(state, s, t));
  }

  private databaseRefuses(state: EpochState, s: Which): boolean {
    const now = nowOf(state);
    return now.rows[s] !== null && !this.readsLive(state, now, s);
  }

  private readsLive({ made }: EpochState, { rows, closed }: Moment, s: Which): boolean {
    const row = rows[s];
    if (!row || closed & (1 << s)) return false;
    const goesBy = { account: this.rules.rowsGoByAccount, realm: this.rules.rowsGoByRealm };
    return !Object.values(made).some((one) => one.scope && goesBy[one.scope] && isOf(row, one));
  }

  private usesNear(state: EpochState, s: Which): boolean {
    const t = state.near[s];
    return t !== NONE && !(this.rules.nearCheckedByEpoch && this.isStale(state, s, t));
  }

  private usesShared(state: EpochState, s: Which, t: number): boolean {
    if (!(state.young[s] & (1 << t)) || state.moments[t]!.rows[s]!.version < knownVersion(state, s)) return false;
    return !(this.rules.sharedCheckedByEpoch && this.isStale(state, s, t));
  }

  /** Whether account or realm are known to have changed since a copy was read. */
  private isStale(state: EpochState, s: Which, t: number): boolean {
    const { copiesGoByAccount, copiesGoByRealm, bansRaiseVersion } = this.rules;
    const { version, rows } = state.moments[t]!;
    return state.heard.some((ask) => {
      const { scope, number, ends } = state.made[ask]!;
      if (scope === 'realm') return copiesGoByRealm && rows[s]!.realm < number;
      return scope === 'account' && copiesGoByAccount && (ends !== null || bansRaiseVersion) && version < number;
    });
  }

  private knowsEndOf({ heard, made }: EpochState, row: SessionRow): boolean {
    const isOver = (one: Made) =>
      this.rules.comparedByNumber ? isBelow(row, one) : one.ends !== null && row.openedAt <= one.at;
    return heard.some((ask) => isOver(made[ask]!));
  }

  private nodeSteps(state: EpochState, step: Step): void {
    const { moments, made, login, near, young, old, heard } = state;
    const latest = moments.length - 1;
    const polled = heardBy(state, Object.keys(made) as Ask[]);
    step('N', 'polls', login === 'waits' ? { ...polled, login: 'has settled' } : polled);
    for (const s of BOTH) {
      if (this.readsLive(state, moments[latest]!, s)) {
        const kept = { near: put(near, s, latest), young: put(young, s, young[s] | (1 << latest)) };
        step('N', `reads session ${s} and keeps a copy`, kept);
      }
      moments.forEach((_, t) => {
        if (t <= near[s] || !this.usesShared(state, s, t)) return;
        step('N', `takes a copy of session ${s} from Redis`, { near: put(near, s, t) });
      });
    }
    // A login has a budget, which is less.
    if (state.time === 1 || ['has begun', 'waits', 'has settled'].includes(login)) return;
    const aged = { time: 1, near: [NONE, NONE], young: [0, 0], old: [young[0] | old[0], young[1] | old[1]] } as const;
    for (const kept of heard.length > 0 ? [heard, []] : [heard]) {
      step('the clock', `passes A and W; N remembers ${kept.length} changes`, {
        ...aged,
        heard: kept,
        heardVersions: [],
      });
    }
  }

  private loginSteps(state: EpochState, step: Step): void {
    const { made, login } = state;
    const now = nowOf(state);
    if (login === 'idle') {
      step('login', 'reads the epoch of the realm', { login: 'has begun', readRealm: now.realm });
    } else if (login === 'has begun') {
      if (now.isBanned) step('login', 'finds a ban', { login: 'is refused' });
      else openSession(this.rules, state, step);
    } else if (login === 'has settled') {
      if (this.rules.loginLooksAgain && this.knowsEndOf(state, now.rows[1]!)) {
        step('login', 'finds that all were ended', { login: 'is refused' });
        return;
      }
      const isLate = Object.values(made).some(({ ended, isAcknowledged }) => ended & 2 && isAcknowledged);
      const fault = isLate ? 'a token goes out whose end was acknowledged' : null;
      step('login', 'gives its token out', { login: 'is answered', fault });
    }
  }
}

function put(pair: readonly [number, number], s: Which, value: number): readonly [number, number] {
  return s === 0 ? [value, pair[1]] : [pair[0], value];
}
