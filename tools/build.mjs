import { rmSync, writeFileSync } from 'node:fs';
import { writeConsoleAssets } from './lib/console-assets.mjs';
import { runNode } from './lib/run.mjs';

const TSC = 'node_modules/typescript-7/bin/tsc';

/**
 * Builds dist/esm and dist/cjs. Types are checked once, with the first; with --noCheck they are not, since they have been. Both are
 * compiled from the same sources.
 */
await writeConsoleAssets();
// What is bundled has the library in it.
for (const made of ['dist', 'dist-sample/bundled']) rmSync(made, { recursive: true, force: true });
await Promise.all([
  runNode(TSC, ['-p', 'tsconfig.esm.json', ...process.argv.slice(2)]),
  runNode(TSC, ['-p', 'tsconfig.cjs.json', '--noCheck']),
]);
writeFileSync('dist/cjs/package.json', '{"type":"commonjs"}\n');
