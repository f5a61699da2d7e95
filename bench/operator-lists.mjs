import { DataSource } from 'typeorm';
import { startChild } from './support/child.mjs';
import { engineName } from './support/databases.mjs';
import { HEAVY_USER, fillWithRecords, fillWithSessions } from './support/many-sessions.mjs';
import { interleaved, median, ratio, ratioText, short } from './support/rounds.mjs';

const PAGE = 50;
const FAR_PAGE = 500;
/** Pages are larger on the way to the far one; the cursor is the same. */
const STEP = 200;
const MOST_MS = 50;
const MOST_RATIO = 3;
const HOUR_MS = 3_600_000;
/** From so many milliseconds on, a ratio is about the list and not about what else there is in a request. */
const TOLD_FROM_MS = 5;

const SIZES = {
  postgres: { small: { live: 10_000, ended: 50_000 }, large: { live: 1_000_000, ended: 5_000_000 } },
  mariadb: { small: { live: 10_000, ended: 50_000 }, large: { live: 200_000, ended: 1_000_000 } },
};
const QUICK_SIZES = { small: { live: 2000, ended: 2000 }, large: { live: 30_000, ended: 30_000 } };

/** Every list of the console with each of its orders and filters, by the name in the table. */
export function lists(now) {
  const ago = (hours) => new Date(now - hours * HOUR_MS).toISOString();
  const online = '/admin/online-users?';
  const events = '/admin/events?';
  return {
    'online, by last use': online,
    'online, by login': `${online}sort=login`,
    'online, by user': `${online}sort=user`,
    'online, of a user': `${online}userId=person-77`,
    'online, on phones': `${online}deviceType=phone`,
    'online, on tablets, by login': `${online}deviceType=tablet&sort=login`,
    'online, logged in by passkey': `${online}loginMethod=passkey`,
    'online, in a network of an eighth': `${online}ip=10.3.0.0/16`,
    'online, in a network of few': `${online}ip=10.3.7.0/24`,
    'online, q: a name of a tenth': `${online}q=anna`,
    'online, q: users of a ninth, by user': `${online}q=person-2&sort=user`,
    'online, q: a few users': `${online}q=person-77`,
    'online, q: an address that is not finished': `${online}q=10.3.`,
    'online, q: of nobody': `${online}q=nobody`,
    'online, logged in within an hour, by login': `${online}createdFrom=${ago(1)}&sort=login`,
    'online, last used an hour ago or earlier': `${online}seenTo=${ago(1)}`,
    'online, q and type of device': `${online}q=bruno&deviceType=phone`,
    'online, method, type and network': `${online}loginMethod=passkey&deviceType=desktop&ip=10.5.0.0/16`,
    'users online': `${online}groupBy=user`,
    'users online, q: a ninth': `${online}groupBy=user&q=person-2`,
    'live sessions of a user': `/admin/users/${HEAVY_USER}/sessions?`,
    'past sessions of a user who has many': `/admin/users/${HEAVY_USER}/sessions?ended=true`,
    'past sessions': '/admin/ended-sessions?',
    'past sessions, by reason': '/admin/ended-sessions?reason=SESSION_KICKED',
    'past sessions, of a time': `/admin/ended-sessions?endedFrom=${ago(14)}&endedTo=${ago(13)}`,
    'past sessions of a user, by reason': `/admin/ended-sessions?userId=${HEAVY_USER}&reason=SESSION_KICKED`,
    events,
    'events, by type': `${events}type=SESSION_ENDED`,
    'events of a user': `${events}userId=${HEAVY_USER}`,
    'events from an address': `${events}ip=203.0.113.7`,
    'events of a time, by type': `${events}from=${ago(2)}&to=${ago(1)}&type=LOGIN`,
    'sightings of a network': '/admin/sightings?ip=10.3.7.0/24',
    'sightings of a user': '/admin/sightings?userId=person-77',
  };
}

/** Whether a page of any list costs more where there is much more, or far down. */
export async function operatorLists({ quick, databases }) {
  const { rounds, calls } = quick ? { rounds: 2, calls: 3 } : { rounds: 3, calls: 9 };
  const rows = [];
  const failures = [];
  for (const kind of ['postgres', 'mariadb']) {
    const servers = {};
    const paths = lists(Date.now());
    try {
      for (const [size, counts] of Object.entries(quick ? QUICK_SIZES : SIZES[kind])) {
        servers[size] = await startFilled(await databases.create(kind), counts);
      }
      for (const [name, path] of Object.entries(paths)) {
        const { row, problems } = await measure(servers, path, { rounds, calls }).catch(noFigures);
        rows.push([engineName(kind), name, ...row]);
        console.log(rows.at(-1).join(' | '));
        failures.push(...problems.map((problem) => `${engineName(kind)}, ${name}: ${problem}`));
      }
    } finally {
      await Promise.all(Object.values(servers).map((server) => server.stop()));
    }
  }
  return {
    columns: [
      'database',
      'list',
      'first page, ms',
      'ratio to the small table',
      `page ${FAR_PAGE} or the last, ms`,
      'ratio to the small table, last page',
    ],
    rows,
    note: sizesText(quick) + ` Pages of ${PAGE} over HTTP, ${rounds} rounds of ${calls} calls each.`,
    failures,
  };
}

/** One list that fails does not cost the figures of the others. */
function noFigures(error) {
  return { row: ['failed', '', '', ''], problems: [String(error)] };
}

function sizesText(quick) {
  const text = ({ live, ended }) => `${live.toLocaleString('en-US')} live and ${ended.toLocaleString('en-US')} ended`;
  return Object.entries(quick ? { 'Both databases': QUICK_SIZES } : SIZES)
    .map(([kind, { small, large }]) => `${engineName(kind) ?? kind}: ${text(large)} sessions beside ${text(small)}.`)
    .join(' ');
}

export async function startFilled(database, counts) {
  // Started once for the tables, which are filled while nobody looks.
  await (await startChild('operator-server.mjs', { database })).stop();
  const source = await new DataSource(database).initialize();
  const began = performance.now();
  await fillWithSessions(source, counts);
  await fillWithRecords(source, { failedLogins: Math.ceil(counts.live / 10) });
  await source.destroy();
  console.log(`Filled with ${JSON.stringify(counts)} in ${Math.round((performance.now() - began) / 1000)} s.`);
  return startChild('operator-server.mjs', { database });
}

async function measure({ small, large }, path, { rounds, calls }) {
  const far = await farCursor(large, path);
  const smallFar = await farCursor(small, path);
  const cases = new Map([
    ['first', () => millis(large, path, null, calls)],
    ['small first', () => millis(small, path, null, calls)],
    ['far', () => millis(large, path, far, calls)],
    ['small far', () => millis(small, path, smallFar, calls)],
  ]);
  const samples = await interleaved(rounds, cases, (one) => one());
  const [first, smallFirst, farther, smallFarther] = samples.values();
  const problems = [];
  for (const [page, taken, base] of [
    ['the first page', first, smallFirst],
    ['the far page', farther, smallFarther],
  ]) {
    const time = median(taken);
    if (time > MOST_MS) problems.push(`${page} takes ${short(time)} ms.`);
    if (time > TOLD_FROM_MS && ratio(taken, base).median > MOST_RATIO) {
      problems.push(`${page} costs ${short(ratio(taken, base).median)} times that of the small table.`);
    }
  }
  for (const cursor of [null, far]) {
    for (const statement of await large.call('plans', pathOf(path, { cursor }))) {
      problems.push(`is read from end to end by ${statement}`);
    }
  }
  const row = [
    short(median(first)),
    ratioText(first, smallFirst),
    short(median(farther)),
    ratioText(farther, smallFarther),
  ];
  return { row, problems: [...new Set(problems)] };
}

/** Leads to the far page, or where the list is shorter to the last that begins within it; null if there is one page. */
async function farCursor(server, path) {
  let cursor = null;
  for (let seen = 0; seen < (FAR_PAGE - 1) * PAGE;) {
    const limit = Math.min(STEP, (FAR_PAGE - 1) * PAGE - seen);
    const { items, nextCursor } = await get(server, pathOf(path, { cursor, limit }));
    if (nextCursor === null) break;
    seen += items.length;
    cursor = nextCursor;
  }
  return cursor;
}

async function millis(server, path, cursor, calls) {
  const times = [];
  for (let call = 0; call < calls; call++) {
    const began = performance.now();
    await get(server, pathOf(path, { cursor }));
    times.push(performance.now() - began);
  }
  return median(times);
}

function pathOf(path, { cursor, limit = PAGE }) {
  return `${path}&limit=${limit}${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`.replace('?&', '?');
}

export async function get({ ready: { origin, token } }, path) {
  const answer = await fetch(origin + path, { headers: { authorization: `Bearer ${token}` } });
  const body = await answer.json();
  if (answer.status !== 200) throw new Error(`${path} is answered ${answer.status}: ${JSON.stringify(body)}`);
  return body;
}
