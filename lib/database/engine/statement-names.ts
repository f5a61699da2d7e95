import { createHash } from 'node:crypto';

/** A text gets a name when it comes for this time: one that does not come again would only fill the server's memory. */
const NAMED_FROM = 3;
/** Most names, each of which every connection keeps a plan for. */
const MOST_NAMES = 100;
/** Texts that are counted before counting begins anew. */
const MOST_COUNTED = 1000;
/** A list of several values, or several rows: there are as many such texts as there are lengths. */
const SEVERAL = /\bIN \(\$\d+, |\), \(\$/;

/**
 * Names under which PostgreSQL keeps a statement for a connection, parsed and planned. To do both each time takes longer than to
 * carry out what a login or an end consists of.
 */
export class StatementNames {
  private readonly names = new Map<string, string>();
  private readonly counts = new Map<string, number>();

  /** @returns undefined for a statement that is to be sent without a name */
  nameOf(text: string): string | undefined {
    const known = this.names.get(text);
    if (known !== undefined || this.names.size >= MOST_NAMES || SEVERAL.test(text)) return known;
    const count = (this.counts.get(text) ?? 0) + 1;
    if (count < NAMED_FROM) {
      if (this.counts.size >= MOST_COUNTED) this.counts.clear();
      this.counts.set(text, count);
      return undefined;
    }
    this.counts.delete(text);
    // Made of the text, so that two processes that a pooler lets use one connection mean the same by it.
    const name = `latchkey_${createHash('sha256').update(text).digest('hex').slice(0, 32)}`;
    this.names.set(text, name);
    return name;
  }
}
