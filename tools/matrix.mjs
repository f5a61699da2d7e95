import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { rows } from '../matrix/rows.mjs';
import { prepareLibrary } from './lib/up-to-date.mjs';
import { Application, npmPack } from './lib/matrix-application.mjs';

/**
 * Installs the packed library in small applications, from the registry, and starts them. Arguments name rows of
 * matrix/rows.mjs; all of them by default. Prints the table of docs/peers.md.
 * MATRIX_HOME names the folder of an earlier run, to go on with what is installed there.
 */
process.chdir(path.join(import.meta.dirname, '..'));

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !Object.hasOwn(rows, name));
if (unknown.length > 0) {
  console.error(`There is no row ${unknown.join(', ')}. Rows: ${Object.keys(rows).join(', ')}`);
  process.exit(1);
}
await prepareLibrary();
const home = process.env.MATRIX_HOME ?? mkdtempSync(path.join(tmpdir(), 'latchkey-matrix-'));
console.log(`Logs and applications: ${home}`);

const tarball = npmPack(home);

const table = [];
for (const name of wanted.length > 0 ? wanted : Object.keys(rows)) {
  const { what, run } = rows[name];
  const started = performance.now();
  const application = new Application(home, name, tarball);
  const result = await run(application).then(
    (said) => said ?? 'passes',
    (error) => `FAILS: ${error.message}`,
  );
  await application.stop();
  table.push({ name, what, result });
  console.log(`${name}: ${result} (${Math.round((performance.now() - started) / 1000)} s)`);
}
console.log('\n| row | what is installed and started | result |\n| --- | --- | --- |');
for (const { name, what, result } of table) console.log(`| \`${name}\` | ${what} | ${result.split('\n')[0]} |`);
if (table.some(({ result }) => result.startsWith('FAILS'))) process.exit(1);
if (!process.env.MATRIX_HOME) rmSync(home, { recursive: true, force: true });
