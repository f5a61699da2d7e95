import type { BeforeWaiting, DataOwner, DataRepository } from '../ports/data-repository.js';
import { jsonText } from '../model/checked-input.js';
import { optionalText } from './arguments.js';
import { invalidArgument } from '../model/session-error.js';

const MAX_VALUE_BYTES = 16_384;
/** Most names per owner. */
const MAX_ENTRIES = 100;

/**
 * Key-values of one session or one account: at most 100 names of 1 to 128 characters, with plain JSON values of at most
 * 16,384 bytes. Concurrent writes of different names do not conflict; for one name, the last write wins.
 *
 * Methods reject with SessionError ARGUMENT_INVALID for invalid arguments and SESSION_STORE_UNAVAILABLE if the database
 * does not answer in time. Writes of session data reject with SESSION_NOT_FOUND unless the session is live.
 */
export class DataStore {
  constructor(
    private readonly repository: DataRepository,
    private readonly owner: DataOwner,
    private readonly beforeWaiting: BeforeWaiting,
  ) {}

  /** Returns the value of a name, or undefined. */
  async get<T = unknown>(name: string): Promise<T | undefined> {
    const json = await this.repository.read(this.owner, nameOf(name));
    return json === null ? undefined : (parse(json) as T | undefined);
  }

  async set(name: string, value: unknown): Promise<void> {
    const entry = { name: nameOf(name), json: jsonText(value, 'value', MAX_VALUE_BYTES) };
    if (await this.repository.write(this.owner, entry, MAX_ENTRIES, this.beforeWaiting)) return;
    throw invalidArgument('name', `exceeds the limit of ${MAX_ENTRIES} names`);
  }

  /** @returns true if there was a value */
  async delete(name: string): Promise<boolean> {
    return (await this.repository.remove(this.owner, nameOf(name), this.beforeWaiting)) > 0;
  }

  /** Returns all values by name. The object has no prototype, because names are arbitrary text. */
  async entries(): Promise<Readonly<Record<string, unknown>>> {
    const all = Object.create(null) as Record<string, unknown>;
    for (const { name, json } of await this.repository.readAll(this.owner)) {
      const value = parse(json);
      if (value !== undefined) all[name] = value;
    }
    return all;
  }

  /** Removes all values. @returns how many there were */
  async clear(): Promise<number> {
    return this.repository.remove(this.owner, null, this.beforeWaiting);
  }
}

/** Treats text that the library did not write as missing; it must not appear in an error either. */
function parse(json: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch {
    return undefined;
  }
}

function nameOf(value: unknown): string {
  const name = optionalText(value, 'name', 128);
  if (name === null) throw invalidArgument('name', 'must be text of 1 to 128 characters');
  return name;
}
