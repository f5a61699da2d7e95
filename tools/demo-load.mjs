import { fileURLToPath } from 'node:url';
import { run } from './lib/run.mjs';
import { bringUpToDate } from './lib/up-to-date.mjs';

/** Installs and builds what is missing, then fills the database of the sample application; arguments as demo/options.mjs. */
process.chdir(fileURLToPath(new URL('..', import.meta.url)));

await bringUpToDate();
await run(process.execPath, ['tools/demo/main.mjs', ...process.argv.slice(2)]);
