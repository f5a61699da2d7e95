import { readFileSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';

const MODULE = 'lib/admin/console-assets.ts';

/** The administrators' page of lib/console as two files. @returns {Promise<Record<'console.js' | 'console.css', string>>} */
export async function bundleConsole() {
  const { outputFiles } = await build({
    entryPoints: { console: 'lib/console/main.tsx', 'console-style': 'lib/console/styles/console.css' },
    outdir: 'out',
    write: false,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    legalComments: 'eof',
    sourcemap: false,
    charset: 'utf8',
    tsconfig: 'lib/console/tsconfig.json',
    logLevel: 'warning',
  });
  const text = (name) => outputFiles.find((file) => file.path.endsWith(name)).text;
  return { 'console.js': text('console.js'), 'console.css': text('console-style.css') };
}

/**
 * Makes the module that carries both files as strings, so that the package finds them in its CommonJS and its ESM build, and
 * when a server is bundled. It is written only when it changes: who watches the sources sees nothing then.
 */
export async function writeConsoleAssets() {
  const assets = await bundleConsole();
  const source = `/** Made from lib/console by \`npm run build\`. */\nexport const consoleAssets: Readonly<Record<'console.js' | 'console.css', string>> = ${JSON.stringify(assets)};\n`;
  const before = readIfThere(MODULE);
  if (source !== before) writeFileSync(MODULE, source);
  return assets;
}

function readIfThere(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}
