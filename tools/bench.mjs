import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { ensureInstalled } from './lib/up-to-date.mjs';
import { runNode } from './lib/run.mjs';

/**
 * Builds the library and runs the benchmarks that are named, or all:
 * node tools/bench.mjs [verify activity login revoke memory scale operator-lists bulk-kick mass-end everybody-out forged-tokens mixed] [--quick] [--write] [--no-build] [--only TEXT]
 * With --only, `verify` measures the routes alone whose names have the text, with four times as many processes: V8 makes
 * different things of the same route in two processes.
 */
process.chdir(new URL('..', import.meta.url).pathname);
const FILES = {
  verify: 'verify',
  activity: 'activity',
  login: 'login',
  revoke: 'revoke',
  memory: 'memory',
  scale: 'scale',
  'operator-lists': 'operatorLists',
  'bulk-kick': 'bulkKick',
  'mass-end': 'massEnd',
  'everybody-out': 'everybodyOut',
  'forged-tokens': 'forgedTokens',
  mixed: 'mixed',
};
const PAGE = 'docs/benchmarks.md';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean' },
    write: { type: 'boolean' },
    'no-build': { type: 'boolean' },
    only: { type: 'string', multiple: true },
  },
});
const names = positionals.length > 0 ? positionals : Object.keys(FILES);
const unknown = names.filter((name) => !Object.hasOwn(FILES, name));
if (unknown.length > 0) {
  console.error(`There is no benchmark ${unknown.join(', ')}; there are ${Object.keys(FILES).join(', ')}.`);
  process.exit(1);
}

await ensureInstalled();
if (!flags['no-build']) await runNode('tools/build.mjs');
const { Databases } = await import('../bench/support/databases.mjs');
const databases = new Databases();
const failures = [];
try {
  for (const name of names) {
    console.log(`\n${name}`);
    failures.push(...(await runOne(name)).map((failure) => `${name}: ${failure}`));
  }
} finally {
  await databases.close();
}
if (failures.length > 0) {
  console.error(`\nNot as it must be:\n${failures.join('\n')}`);
  process.exitCode = 1;
}

/** Runs a benchmark and shows its result. @param {string} name @returns {Promise<string[]>} what is not as it must be */
async function runOne(name) {
  const { [FILES[name]]: run } = await import(`../bench/${name}.mjs`);
  let result;
  try {
    result = await run({ quick: flags.quick ?? false, only: flags.only, databases });
  } catch (error) {
    return [String(error.stack)];
  }
  const text = `${table(result)}\n\n${result.note} ${machine()}`;
  console.log(text);
  if (flags.write) write(name, text);
  return result.failures ?? [];
}

/** @param {{ columns: string[], rows: string[][] }} result */
function table({ columns, rows }) {
  const widths = columns.map((column, index) =>
    Math.max(...[column, ...rows.map((row) => row[index])].map((cell) => cell.length)),
  );
  const line = (cells) => `| ${cells.map((cell, index) => cell.padEnd(widths[index])).join(' | ')} |`;
  return [line(columns), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

function machine() {
  const day = new Date().toISOString().slice(0, 10);
  const load = loadavg()[0].toFixed(1);
  return `${day}, ${availableParallelism()} CPUs, load ${load}, Node.js ${process.versions.node}${flags.quick ? ', quick run' : ''}.`;
}

/** Puts a result between the markers of its benchmark. */
function write(name, text) {
  const page = readFileSync(PAGE, 'utf8');
  const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${PAGE} has no markers ${begin} and ${end}.`);
  writeFileSync(PAGE, `${page.slice(0, from + begin.length)}\n\n${text}\n\n${page.slice(to)}`);
}
