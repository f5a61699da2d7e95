import { BAN_FIELDS, type Field, type Fields, SUPERSEDED_FIELDS } from '../model/session-fields.js';

/** Writes values of a field as JSON, and reads them. Times are milliseconds after `since`. */
interface Form {
  write?(value: never, since: number): unknown;
  read?(written: never, since: number): unknown;
  /** Makes the value of a field that was left out, unless it is null. */
  empty?(since: number): unknown;
}

/** Writes the copied fields of an object as a list: a number whose bits say which fields follow, and their values. */
export class Packing<T extends object> {
  /** Names, kinds and order of the fields. */
  readonly layout: readonly unknown[];
  private readonly fields: readonly { readonly name: string; readonly isNullable: boolean; readonly form: Form }[];

  /** Has all properties of an unpacked object: a clone of it is of the same hidden class, and made at once. */
  private readonly blank: T;

  /** @param more properties of unpacked objects that are not packed */
  constructor(fields: Fields, more: object = {}) {
    const copied = Object.entries(fields).filter(([, field]) => field.copied !== false);
    this.layout = copied.map(([name, { kind, nullable = false }]) => [name, kind, nullable]);
    this.fields = copied.map(([name, { kind, nullable = false }]) => ({
      name,
      isNullable: nullable,
      form: FORMS[kind],
    }));
    this.blank = { ...more, ...Object.fromEntries(copied.map(([name]) => [name, null])) } as T;
  }

  pack(object: T, since: number): readonly unknown[] {
    const packed: unknown[] = [0];
    let [present, bit] = [0, 1];
    for (const { name, isNullable, form } of this.fields) {
      const value = (object as Record<string, unknown>)[name];
      const written = value === null || !form.write ? value : form.write(value as never, since);
      if (isNullable ? written !== null : !isEmpty(written)) {
        present += bit;
        packed.push(written);
      }
      bit *= 2;
    }
    packed[0] = present;
    return packed;
  }

  /** @param packed list that `pack` returned for the same fields */
  unpack(packed: readonly unknown[], since: number): T {
    const object = { ...this.blank } as Record<string, unknown>;
    let present = packed[0] as number;
    let next = 1;
    for (const { name, isNullable, form } of this.fields) {
      if (present % 2 === 1) {
        const written = packed[next++];
        object[name] = form.read ? form.read(written as never, since) : written;
      } else if (!isNullable) {
        object[name] = form.empty!(since);
      }
      present = Math.floor(present / 2);
    }
    return object as T;
  }
}

/** Values that a reader makes up for where they were left out: '', 0, and a list without items. */
function isEmpty(written: unknown): boolean {
  return written === '' || written === 0 || (Array.isArray(written) && written.length === 0);
}

const TEXT: Form = { empty: () => '' };

/** Each item is a list of its own. */
function listOf(packing: () => Packing<object>): Form {
  return {
    write: (items: readonly object[], since) => items.map((item) => packing().pack(item, since)),
    read: (lists: readonly (readonly unknown[])[], since) => lists.map((list) => packing().unpack(list, since)),
    empty: () => [],
  };
}

const FORMS: Readonly<Record<Field['kind'], Form>> = {
  text: TEXT,
  userId: TEXT,
  words: {
    write: (words: readonly string[]) => words.join(' '),
    read: (written: string) => written.split(' '),
    empty: () => [],
  },
  endReason: TEXT,
  hash: {
    write: (digits: string) => Buffer.from(digits, 'hex').toString('base64url'),
    read: (written: string) => Buffer.from(written, 'base64url').toString('hex'),
    empty: () => '',
  },
  number: { empty: () => 0 },
  time: {
    write: (at: number, since) => at - since,
    read: (after: number, since) => since + after,
    empty: (since) => since,
  },
  flag: { write: Number, read: Boolean, empty: () => false },
  claims: {},
  bans: listOf(() => BANS),
  pairs: listOf(() => PAIRS),
};

/** Those of lists in a record. */
export const BANS = new Packing<object>(BAN_FIELDS);
export const PAIRS = new Packing<object>(SUPERSEDED_FIELDS);
