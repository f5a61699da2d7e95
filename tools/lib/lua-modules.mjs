import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { format, resolveConfig } from 'prettier';

const FOLDER = 'lib/redis';

/** The module that holds the text of a script, as the program runs it. @returns {Promise<string>} */
export async function luaModule(file) {
  const name = basename(file, '.lua').replace(/-(\w)/g, (_, letter) => letter.toUpperCase());
  const text = readFileSync(file, 'utf8').trimEnd();
  const source = `/** Made from ${basename(file)} by \`npm run build\`. */\nexport const ${name} = \`${text.replace(/[`\\$]/g, '\\$&')}\`;\n`;
  return format(source, { ...(await resolveConfig(file)), parser: 'typescript' });
}

/** Each script beside the module that is made from it. @returns {{ script: string, module: string }[]} */
export function luaScripts() {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.lua'))
    .map((name) => ({ script: join(FOLDER, name), module: join(FOLDER, name.replace(/\.lua$/, '.script.ts')) }));
}

/** Makes the modules of all scripts. */
export async function writeLuaModules() {
  for (const { script, module } of luaScripts()) writeFileSync(module, await luaModule(script));
}
