import type { Clock } from '../ports/clock.js';
import { type FieldsOf, checkFields } from '../model/checked-input.js';
import { FAILED_LOGIN_REASONS, type FailedLoginReason, type LifecycleEvents } from '../model/session-event.js';
import { optionalAddress } from '../model/ip-key.js';
import { invalidArgument } from '../model/session-error.js';
import { type AccountRef, type UserId, accountRef, actorText } from '../model/user-key.js';
import type { DetachedEvent, JournalRepository } from '../ports/journal-repository.js';
import { writeInChunks } from '../async/batches.js';

/** Facts about a failed login. There is no field for a password: unknown fields are refused. */
export interface FailedLogin {
  /** Client address, as in LoginOptions. */
  readonly ip?: string | null;
  /** Default BAD_CREDENTIALS. */
  readonly reason?: FailedLoginReason;
  /** Kind of device, as in LoginOptions. */
  readonly deviceType?: string | null;
  /** User's name for the device. */
  readonly deviceName?: string | null;
}

const FIELDS: FieldsOf<FailedLogin> = { ip: true, reason: true, deviceType: true, deviceName: true };

const MAX_USER_ID = 1024;
const MAX_DEVICE_NAME = 128;
/** Matches tokens in place of a user name: a client's mistake, or an attempt to get one into the journal. */
const TOKEN = /[a-z0-9]{2,16}_[ar]t_[\w-]{40,}|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}/g;

/** Records failed logins. All of the input may be hostile. */
export class FailedLogins {
  constructor(
    private readonly parts: {
      readonly realm: string;
      readonly batch: EventBatch;
      readonly events: LifecycleEvents;
      readonly clock: Clock;
    },
  ) {}

  /** See TokenService.recordFailedLogin. */
  record(userId: UserId | null, login: FailedLogin = {}): void {
    checkFields(login, 'login', FIELDS);
    const { reason = 'BAD_CREDENTIALS' } = login;
    if (!FAILED_LOGIN_REASONS.includes(reason)) {
      throw invalidArgument('reason', `must be one of ${FAILED_LOGIN_REASONS.join(', ')}`);
    }
    const { realm, batch, events, clock } = this.parts;
    const account = accountOf(realm, userId);
    const ip = optionalAddress(login.ip, 'ip');
    const deviceType = wordOf(text(login.deviceType, 'deviceType'));
    const deviceName = nameOf(text(login.deviceName, 'deviceName'));
    const actor = account ? actorText(account.userId) : 'unknown';
    const facts = { account, actor, ip, deviceType, deviceName, detail: { reason } };
    batch.add({ at: clock.now(), type: 'LOGIN_FAILED', ...facts });
    events.emit({ type: 'account.login-failed', userId: account?.userId ?? null, ip, deviceType, reason });
  }
}

function accountOf(realm: string, userId: unknown): AccountRef | null {
  if (userId === null || userId === '') return null;
  const id = typeof userId === 'string' ? userId.slice(0, MAX_USER_ID).replace(TOKEN, '(token)') : userId;
  return accountRef(realm, id);
}

function text(value: unknown, name: string): string {
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') throw invalidArgument(name, 'must be a string');
  return value;
}

function wordOf(value: string): string | null {
  return /^[A-Za-z0-9_-]{1,32}$/.test(value) ? value.toLowerCase() : null;
}

function nameOf(value: string): string | null {
  const clean = value
    .slice(0, MAX_DEVICE_NAME)
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]|[\ud800-\udfff]/gu, ' ')
    .replace(TOKEN, '(token)');
  return clean || null;
}

/** Most events between two flushes, of up to some kilobytes each. Further ones are dropped and counted. */
const MAX_PENDING = 10_000;

/** Buffers events that no caller waits for, and writes them in batches. Drops what cannot be written. */
export class EventBatch {
  private pending: DetachedEvent[] = [];
  private underWay = 0;
  private flushing: Promise<void> = Promise.resolve();
  /** Events dropped because too many were pending or a write failed. */
  dropped = 0;

  constructor(private readonly repository: Pick<JournalRepository, 'addEvents'>) {}

  add(event: DetachedEvent): void {
    if (this.pending.length + this.underWay >= MAX_PENDING) this.dropped++;
    else this.pending.push(event);
  }

  /** Writes pending events, after any running flush. Never rejects. */
  flush(): Promise<void> {
    return (this.flushing = this.flushing.then(() => this.write()));
  }

  private async write(): Promise<void> {
    const batch = this.pending;
    this.pending = [];
    this.underWay = batch.length;
    const lost = await writeInChunks(batch, (chunk) => this.repository.addEvents(chunk));
    this.dropped += lost.length;
    this.underWay = 0;
  }
}
