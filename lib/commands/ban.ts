import type { Changes } from '../changes/commit.js';
import type { MassEndClosing } from '../changes/mass-end-closing.js';
import type { Ban } from '../model/ban.js';
import { type FieldsOf, checkFields } from '../model/checked-input.js';
import { actorOf, optionalText } from './arguments.js';
import { endsOf } from './end.js';
import { invalidArgument } from '../model/session-error.js';
import type { SessionRepository } from '../ports/session-repository.js';
import { type AccountRef, actorText, keysOf } from '../model/user-key.js';

/** Options of `liftBan`. */
export interface LiftBanOptions {
  /** Service of the ban, as `@CheckBan` names it: 1 to 64 letters, digits and `._:-`. Default: everything. */
  readonly service?: string;
  /** Operator, 1 to 1,024 characters. */
  readonly by: string;
}

/** Options of `ban`. */
export interface BanOptions extends LiftBanOptions {
  /** Severity, 1 to 1,000,000. Default 1. */
  readonly level?: number;
  /** Operator's words, at most 255 characters. Users may read them. */
  readonly comment?: string | null;
  /** End of the ban, as a Date or in milliseconds since the epoch. Default: permanent. */
  readonly until?: Date | number;
  /**
   * Default true: a ban from everything ends the account's sessions. With false it suspends them: they are refused
   * while the ban is in force, and valid again afterwards.
   */
  readonly endSessions?: boolean;
}

export interface BanResult {
  readonly ban: Ban;
  /** Number of sessions that the ban ended; null for more than 200, which end as one. */
  readonly ended: number | null;
}

const LIFT_FIELDS: FieldsOf<LiftBanOptions> = { service: true, by: true };
const BAN_FIELDS: FieldsOf<BanOptions> = { ...LIFT_FIELDS, level: true, comment: true, until: true, endSessions: true };

export class Bans {
  constructor(
    private readonly repository: SessionRepository,
    private readonly changes: Changes,
    private readonly closing: Pick<MassEndClosing, 'closeAcknowledged'>,
  ) {}

  async ban(account: AccountRef, options: BanOptions): Promise<BanResult> {
    checkFields(options, 'options', BAN_FIELDS);
    const service = serviceOf(options.service);
    const { endSessions = service === null } = options;
    if (typeof endSessions !== 'boolean') throw invalidArgument('endSessions', 'must be true or false');
    if (endSessions && service !== null) {
      throw invalidArgument('endSessions', 'must not be true for a ban from a service, which ends no session');
    }
    const draft = {
      service,
      level: levelOf(options.level),
      comment: optionalText(options.comment, 'comment', 255),
      until: untilOf(options.until),
      by: actorText(actorOf(options.by)),
    };
    const keys = keysOf(account);
    const { ban, ended, change } = await this.changes.commit({
      holding: keys,
      transaction: () => this.repository.ban(account, draft, endSessions),
      outcomeOf: (outcome) => ({
        ...endsOf({ ...outcome, changed: [] }),
        keys,
        events: [{ type: 'account.banned', userId: account.userId, ban: outcome.ban }],
        reach: 'acknowledged',
      }),
    });
    if (change.end) this.closing.closeAcknowledged(change);
    return { ban, ended: change.end ? null : ended.filter(({ reason }) => reason === 'ACCOUNT_DISABLED').length };
  }

  async liftBan(account: AccountRef, options: LiftBanOptions): Promise<boolean> {
    checkFields(options, 'options', LIFT_FIELDS);
    const service = serviceOf(options.service);
    const by = actorText(actorOf(options.by));
    const lifted = await this.changes.commit({
      holding: [account.key],
      transaction: () => this.repository.liftBan(account, service, by),
      outcomeOf: (outcome) => ({
        ...(outcome && {
          scopes: [outcome.change],
          keys: [account.key],
          events: [{ type: 'account.ban-lifted', userId: account.userId, ban: outcome.ban }],
        }),
        reach: 'acknowledged',
      }),
    });
    return lifted !== null;
  }

  async listBans(account: AccountRef, now: number): Promise<readonly Ban[]> {
    const { bans } = await this.repository.readAccount(account);
    return bans.filter(({ until }) => until === null || now < until);
  }
}

/** @throws SessionError ARGUMENT_INVALID */
export function checkService(value: unknown): string {
  if (typeof value !== 'string' || !/^[A-Za-z0-9._:-]{1,64}$/.test(value)) {
    throw invalidArgument('service', 'must be 1 to 64 letters, digits and ._:-');
  }
  return value;
}

function serviceOf(value: unknown): string | null {
  return value === undefined || value === null ? null : checkService(value);
}

/** @throws SessionError ARGUMENT_INVALID */
export function levelOf(value: unknown = 1): number {
  const level = value as number;
  if (Number.isInteger(value) && level >= 1 && level <= 1_000_000) return level;
  throw invalidArgument('level', 'must be a whole number from 1 to 1,000,000');
}

function untilOf(value: unknown): number | null {
  if (value === undefined || value === null) return null;
  const time = (value instanceof Date ? value.getTime() : value) as number;
  if (Number.isSafeInteger(time) && time > 0) return time;
  throw invalidArgument('until', 'must be a Date or integer milliseconds since the epoch');
}
