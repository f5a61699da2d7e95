/** Most records in one statement. */
const CHUNK = 500;

/**
 * Writes records one chunk after the other, and stops at the first chunk that fails: a database that has trouble is not to be
 * troubled with records as well. Never rejects.
 * @returns those that were not written, or of which nobody knows
 */
export async function writeInChunks<T>(
  records: readonly T[],
  write: (chunk: readonly T[]) => Promise<void>,
): Promise<readonly T[]> {
  for (let from = 0; from < records.length; from += CHUNK) {
    try {
      await write(records.slice(from, from + CHUNK));
    } catch {
      return records.slice(from);
    }
  }
  return [];
}
