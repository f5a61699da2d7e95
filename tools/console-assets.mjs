import { writeConsoleAssets } from './lib/console-assets.mjs';

/** Makes lib/admin/console-assets.ts, which the compiler, the linter and the tests need to find, and says how large it is. */
process.chdir(new URL('..', import.meta.url).pathname);
const assets = await writeConsoleAssets();
for (const [name, text] of Object.entries(assets)) console.log(`${name}: ${Buffer.byteLength(text)} bytes`);
