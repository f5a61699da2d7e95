import { DataSource } from 'typeorm';
import { engineName } from './support/databases.mjs';
import { fillWithSessions } from './support/many-sessions.mjs';
import { interleaved, median, ratio, ratioText, short } from './support/rounds.mjs';
import { startSessions } from './support/sessions.mjs';

const PAGE = 50;
const FAR_PAGE = 1000;
const MAX_RATIO = 3;
/** Within which the library answers a list, unless it is told otherwise. */
const DEFAULT_BUDGET_MS = 5000;

/** Whether a page far down the list of who is online costs what the first one costs. */
export async function onlineList({ quick, databases }) {
  const { rounds, calls } = quick ? { rounds: 2, calls: 5 } : { rounds: 5, calls: 15 };
  const rows = [];
  const failures = [];
  for (const kind of ['postgres', 'mariadb']) {
    const options = await databases.create(kind);
    const sessions = await startSessions({ database: options, timing: { endBudget: '60s' } });
    try {
      const source = await new DataSource(options).initialize();
      await fillWithSessions(source, { live: 100_000, ended: 100_000 });
      await source.destroy();
      for (const sort of ['lastSeen', 'login']) {
        for (const deviceType of [undefined, 'phone']) {
          const query = { sort, limit: PAGE, ...(deviceType && { deviceType }) };
          const cursor = await cursorOfPage(sessions.online, query, FAR_PAGE);
          const pages = new Map([
            ['first', () => millisPerCall(sessions.online, query, calls)],
            ['far', () => millisPerCall(sessions.online, { ...query, cursor }, calls)],
            // A service that was just made has no count in store, as any has after ten seconds.
            ['counted', async () => millisPerCall(await sessions.newOnlineUsers(), query, 1)],
          ]);
          const samples = await interleaved(rounds, pages, (measure) => measure());
          const [first, far, counted] = samples.values();
          rows.push([
            engineName(kind),
            sort,
            deviceType ? `deviceType ${deviceType}` : 'none',
            short(median(first)),
            ratioText(far, first),
            ratioText(counted, first),
          ]);
          if (median(counted) > DEFAULT_BUDGET_MS) {
            const seconds = short(median(counted) / 1000);
            failures.push(
              `${engineName(kind)}: a page with a new count takes ${seconds} s, more than the default budget.`,
            );
          }
          const found = ratio(far, first).median;
          if (!deviceType && found > MAX_RATIO) {
            failures.push(`${engineName(kind)}, sort ${sort}: page ${FAR_PAGE} costs ${short(found)} times the first.`);
          }
        }
      }
    } finally {
      await sessions.close();
    }
  }
  return {
    columns: [
      'database',
      'sort',
      'filter',
      'first page, ms',
      '1,000th page, ratio to the first',
      'first page with a new count, ratio to without',
    ],
    rows,
    note: `100,000 live and 100,000 ended sessions, pages of ${PAGE}, ${rounds} rounds of ${calls} calls each.`,
    failures,
  };
}

/** Walks to the page as a client would, and returns the cursor that leads to it. */
async function cursorOfPage(online, query, page) {
  const seen = new Set();
  let cursor = null;
  for (let at = 1; at < page; at++) {
    const { items, nextCursor } = await online.list({ ...query, cursor });
    for (const { id } of items) seen.add(id);
    if (!nextCursor || seen.size !== at * PAGE) throw new Error(`Page ${at} is not whole, or repeats sessions.`);
    cursor = nextCursor;
  }
  return cursor;
}

async function millisPerCall(online, query, calls) {
  const times = [];
  for (let call = 0; call < calls; call++) {
    const began = performance.now();
    const { items } = await online.list(query);
    times.push(performance.now() - began);
    if (items.length !== PAGE) throw new Error(`A page has ${items.length} sessions.`);
  }
  return median(times);
}
