import { build } from 'esbuild';

/**
 * Programs that tests start a hundred times, each with all that it imports in one file: to load two thousand files takes
 * longer than what is tested. Drivers of databases stay where they are.
 */
const PROGRAMS = {
  main: 'dist-sample/main.js',
  'demo-load': 'tools/demo/main.mjs',
  'test-node': 'test/support/node.mjs',
};
const DRIVERS = /\/node_modules\/(?:@?libsql|@neon-rs|pg|mysql2|mariadb)\//;

/** What code made for `require` expects to be there, under names that no file uses. */
const REQUIRE = `import { createRequire as bannerRequireOf } from 'node:module';
import { fileURLToPath as bannerPathOf } from 'node:url';
const require = bannerRequireOf(import.meta.url);
const __filename = bannerPathOf(import.meta.url);
const __dirname = bannerPathOf(new URL('.', import.meta.url));`;

process.chdir(new URL('..', import.meta.url).pathname);
await build({
  entryPoints: PROGRAMS,
  outdir: 'dist-sample/bundled',
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  keepNames: true,
  minifySyntax: true,
  minifyWhitespace: true,
  logLevel: 'error',
  banner: { js: REQUIRE },
  // Its paths lead to the sources of the library, not to what was built of them.
  tsconfigRaw: {},
  plugins: [{ name: 'leave-out', setup: leaveOut }],
});

/** Leaves drivers to be loaded when they are used, and what libraries look for without success. */
function leaveOut({ onResolve, resolve }) {
  onResolve({ filter: /^[^./]/ }, async ({ path, pluginData, importer, namespace, resolveDir, kind }) => {
    if (pluginData?.isAsked) return undefined;
    const found = await resolve(path, { importer, namespace, resolveDir, kind, pluginData: { isAsked: true } });
    return found.errors.length > 0 || DRIVERS.test(found.path) ? { path, external: true } : found;
  });
}
