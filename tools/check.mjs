import { writeConsoleAssets } from './lib/console-assets.mjs';
import { npm } from './lib/run.mjs';
import { ensureInstalled } from './lib/up-to-date.mjs';

/** Lints, and checks format and types, all at once: each of these keeps one processor busy. */
process.chdir(new URL('..', import.meta.url).pathname);
await ensureInstalled();
await writeConsoleAssets();
await Promise.all(['lint', 'format:check', 'typecheck'].map(npm));
