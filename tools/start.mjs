import { fileURLToPath } from 'node:url';
import { serve } from './lib/serve.mjs';
import { bringUpToDate } from './lib/up-to-date.mjs';

/** Installs and builds what is missing or out of date, then runs the sample application in the project's directory. */
process.chdir(fileURLToPath(new URL('..', import.meta.url)));

await serve(async () => {
  await bringUpToDate();
  return 'dist-sample/main.js';
});
