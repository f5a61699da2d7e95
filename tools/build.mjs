import { rmSync, writeFileSync } from 'node:fs';
import { writeConsoleAssets } from './lib/console-assets.mjs';
import { writeLuaModules } from './lib/lua-modules.mjs';
import { runNode } from './lib/run.mjs';

/** Builds dist/esm and dist/cjs. */
await Promise.all([writeLuaModules(), writeConsoleAssets()]);
rmSync('dist', { recursive: true, force: true });
await Promise.all([
  runNode('node_modules/typescript/bin/tsc', ['-p', 'tsconfig.esm.json']),
  runNode('node_modules/typescript/bin/tsc', ['-p', 'tsconfig.cjs.json']),
]);
writeFileSync('dist/cjs/package.json', '{"type":"commonjs"}\n');
