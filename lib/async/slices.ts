/** Most items at once. */
const SLICE = 500;

/** Works on thousands of items without keeping requests from the event loop or from the database. */
export async function inSlices<T>(items: Iterable<T>, work: (item: T) => Promise<unknown>): Promise<void> {
  const all = [...items];
  for (let start = 0; start < all.length; start += SLICE) {
    await Promise.all(all.slice(start, start + SLICE).map((item) => work(item)));
    await new Promise((resolve) => setImmediate(resolve));
  }
}
