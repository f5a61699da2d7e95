import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runNode } from './lib/run.mjs';
import { bringUpToDate, ensureInstalled } from './lib/up-to-date.mjs';

/** Installs and builds what is missing or out of date, then runs the example that is named first. */
process.chdir(fileURLToPath(new URL('..', import.meta.url)));

const names = readdirSync('examples').filter((name) => existsSync(`examples/${name}/main.ts`));
const [name] = process.argv.slice(2);
if (!names.includes(name)) {
  console.error(`npm run example -- NAME, one of: ${names.join(', ')}`);
  process.exit(1);
}
await ensureInstalled();
await bringUpToDate();
await runNode('node_modules/typescript-7/bin/tsc', ['-p', 'examples']);
await runNode(`examples/dist/${name}/main.js`);
