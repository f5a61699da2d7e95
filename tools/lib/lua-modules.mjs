import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const FOLDER = 'lib/redis';

/** The module that holds the text of a script, as the program runs it. @returns {string} */
export function luaModule(file) {
  const name = basename(file, '.lua').replace(/-(\w)/g, (_, letter) => letter.toUpperCase());
  const text = readFileSync(file, 'utf8').trimEnd();
  return `/** Made from ${basename(file)} by \`npm run build\`. */\nexport const ${name} = \`${text.replace(/[`\\$]/g, '\\$&')}\`;\n`;
}

/** Each script beside the module that is made from it. @returns {{ script: string, module: string }[]} */
export function luaScripts() {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.lua'))
    .map((name) => ({ script: join(FOLDER, name), module: join(FOLDER, name.replace(/\.lua$/, '.script.ts')) }));
}

/** Makes the modules of all scripts. */
export function writeLuaModules() {
  for (const { script, module } of luaScripts()) writeFileSync(module, luaModule(script));
}
