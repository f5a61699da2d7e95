// @ts-check
'use strict';
// Imports nothing of @angular-devkit: the CLI has it, and with pnpm this package cannot see it.
const { posix } = require('node:path');
const { name: LIBRARY, version, peerDependencies } = require('../package.json');

/** @typedef {import('@angular-devkit/schematics').Tree} Tree */
/** @typedef {import('@angular-devkit/schematics').SchematicContext} Context */

const OPTIONS = ['sourceRoot', 'project', 'skipInstall'];
const MAJORS = [11, 12];
const SESSIONS = 'SessionModule.forRoot({ secret: process.env.SESSION_SECRET!, policy: singleDevice() })';
const DATABASE = "TypeOrmModule.forRoot({ type: 'better-sqlite3', driver: libsql, database: 'app.sqlite' })";
const BY_HAND = `Nothing was changed. Add by hand what is missing:
  npm install ${LIBRARY} @nestjs/passport passport passport-http-bearer    (@nestjs/passport@11 with NestJS 11)
  import { SessionModule, singleDevice } from '${LIBRARY}';
  imports: [${SESSIONS}] of the root module, beside TypeOrmModule.forRoot()
  app.enableShutdownHooks(); in main.ts`;
const NEXT = `
Next:
  1. Set SESSION_SECRET for every start, the same on every node: openssl rand -base64 48
  2. Log in with TokenService.login(userId) where you have checked the password, and protect routes with @UseGuards(AuthGuard).
     The quick start in the README of ${LIBRARY} shows both.`;

/** @param {string} reason @returns {never} */
function refuse(reason) {
  throw new Error(`${reason}\n${BY_HAND}`);
}

/** Blanks comments and strings, but not the key 'imports'. What is left is code, at its old position. @param {string} text */
const codeOf = (text) =>
  text.replace(/\/\/[^\r\n]*|\/\*[^]*?\*\/|'(?:\\.|[^'\\\r\n])*'|"(?:\\.|[^"\\\r\n])*"|`(?:\\[^]|[^`\\])*`/g, (found) =>
    /^.imports.$/.test(found) ? ' imports ' : found.replace(/[^\r\n]/g, ' '),
  );

/** Finds the bracket that closes the one at a position. @param {string} code @param {number} open */
function closing(code, open) {
  for (let at = open, depth = 0; at < code.length; at++) {
    if ('([{'.includes(code.charAt(at))) depth++;
    if (')]}'.includes(code.charAt(at)) && --depth === 0) return at;
  }
  return -1;
}

/** Blanks what is in brackets. @param {string} code @returns {string} */
function topLevel(code) {
  const blanked = code.replace(/[([{][^()[\]{}]*[)\]}]/g, (nested) => ' '.repeat(nested.length));
  return blanked === code ? code : topLevel(blanked);
}

/** @param {string} text @param {number} at */
const indentAt = (text, at) => /^[ \t]*/.exec(text.slice(text.lastIndexOf('\n', at) + 1))?.[0] ?? '';
/** @param {string} text */
const eolOf = (text) => (text.includes('\r\n') ? '\r\n' : '\n');
/** @param {string} text @param {number} from @param {number} to @param {string} by */
const replaced = (text, from, to, by) => text.slice(0, from) + by + text.slice(to);

/**
 * Appends elements to the imports of a module: after those that are there, since ConfigModule.forRoot() among them sets process.env.
 *
 * @param {string} text @param {string} module name of the class @param {readonly string[]} elements
 * @returns {string | undefined} undefined for a decorator that it cannot read
 */
function withModules(text, module, elements) {
  const code = codeOf(text);
  const before = code.slice(0, Math.max(0, code.search(new RegExp(`\\bclass\\s+${module}\\b`))));
  const decorator = /@Module\s*\(\s*\{(?![^]*(?:@Module\s*\(|\bclass\b))/.exec(before);
  if (!decorator) return undefined;
  const eol = eolOf(text);
  const step = /\n([ \t]+)[\w'"@]/.exec(text)?.[1] ?? '  ';
  const open = decorator.index + decorator[0].length - 1;
  const close = closing(code, open);
  if (close < 0) return undefined;
  const metadata = topLevel(code.slice(open + 1, close));
  const key = /(?<![\w$.])imports\s*:\s*/.exec(metadata);
  if (!key) {
    // A shorthand property, or one that hides in a spread.
    if (/(?<![\w$.])imports\b|\.\.\./.test(metadata)) return undefined;
    const indent = indentAt(text, decorator.index);
    const list = elements.map((element) => `${eol}${indent}${step}${step}${element},`).join('');
    const after = /^[ \t]*(\r?\n)?/.exec(text.slice(open + 1));
    const rest = after?.[1] ? '' : `${eol}${indent}${metadata.trim() === '' ? '' : step}`;
    const added = `${eol}${indent}${step}imports: [${list}${eol}${indent}${step}],${rest}`;
    return replaced(text, open + 1, open + 1 + (after?.[1] ? 0 : (after?.[0].length ?? 0)), added);
  }
  // Blanked by topLevel, the list itself counts as white space.
  const start = open + 1 + key.index + key[0].trimEnd().length;
  const list = start + code.slice(start).search(/\S/);
  if (code[list] !== '[') return undefined;
  const end = closing(code, list);
  const last = list + 1 + code.slice(list + 1, end).trimEnd().length;
  const indent = indentAt(text, start);
  const comma = '[,'.includes(code.charAt(last - 1)) ? '' : ',';
  const added = elements.map((element) => `${eol}${indent}${step}${element},`).join('');
  return replaced(text, last, end, `${comma}${text.slice(last, end).trimEnd()}${added}${eol}${indent}`);
}

/** Adds lines after the last import. @param {string} text @param {readonly string[]} lines */
function withLines(text, lines) {
  const code = codeOf(text);
  const last = [...code.matchAll(/^import\b(?!\s*[(.])[\w\s,*$]*(\{)?/gm)].at(-1);
  const inside = last ? last.index + last[0].length - 1 : 0;
  const end = last ? text.indexOf('\n', last[1] ? closing(code, inside) : last.index) + 1 : 0;
  return replaced(text, end, end, lines.map((line) => line + eolOf(text)).join(''));
}

/** @param {string} text of main.ts */
function creation(text) {
  const code = codeOf(text);
  const found = /\b([\w$]+)\s*(?::[^=;]+)?=\s*await\s+NestFactory\s*\.\s*create\w*\s*(?:<[^(]*>)?\s*\(\s*([\w$]+)/.exec(
    code,
  );
  if (!found) return undefined;
  const end = closing(code, found.index + found[0].lastIndexOf('('));
  const [, app = '', module = ''] = found;
  return { app, module, at: found.index, end, after: code.slice(end + 1) };
}

/** Calls enableShutdownHooks after the application is created. @param {string} text of main.ts */
function withHooks(text) {
  const made = creation(text);
  const statement = made && /^\s*;|^[ \t]*(?=\r?\n\s*[^.\s])/.exec(made.after);
  if (!made || !statement) return undefined;
  const end = made.end + 1 + statement[0].length;
  const comment = /^[ \t]*\/\/[^\r\n]*/.exec(text.slice(end))?.[0].length ?? 0;
  const added = `${eolOf(text)}${indentAt(text, made.at)}${made.app}.enableShutdownHooks();`;
  return replaced(text, end + comment, end + comment, added);
}

/** Adds packages that are missing. @param {Tree} tree @param {Record<string, string>} packages @returns {boolean} if it added any */
function addPackages(tree, packages) {
  const text = tree.readText('/package.json');
  const json = JSON.parse(text);
  const present = { ...json.devDependencies, ...json.optionalDependencies, ...json.dependencies };
  const missing = Object.entries(packages).filter(([name]) => !Object.hasOwn(present, name));
  if (missing.length === 0) return false;
  const all = Object.entries({ ...json.dependencies, ...Object.fromEntries(missing) });
  json.dependencies = Object.fromEntries(all.sort(([a], [b]) => (a < b ? -1 : 1)));
  const indent = /\n([ \t]+)"/.exec(text)?.[1] ?? '  ';
  const written = JSON.stringify(json, null, indent) + (text.endsWith('\n') ? '\n' : '');
  tree.overwrite('/package.json', written.replaceAll('\n', eolOf(text)));
  return true;
}

/** Reads the major version of Nest: what is installed, else what package.json asks for. @param {Tree} tree */
function majorOfNest(tree) {
  const [manifest, installed] = ['/package.json', '/node_modules/@nestjs/core/package.json'].map(
    (path) => (/** @type {any} */ (tree.exists(path) ? tree.readJson(path) : undefined)),
  );
  if (!manifest) refuse('There is no package.json in this folder.');
  const asked = installed?.version ?? manifest.dependencies?.['@nestjs/core'];
  const major = Number(/\d+/.exec(asked ?? '')?.[0]);
  if (!MAJORS.includes(major))
    refuse(
      `${LIBRARY} needs @nestjs/core of version ${MAJORS.join(' or ')}, and this application has ${asked ?? 'none'}.`,
    );
  return major;
}

/**
 * Rule of `nest add nestjs-latchkey`: registers SessionModule, and TypeORM on SQLite where the application has no database, enables
 * shutdown hooks, adds the packages and installs them. Changes nothing that is there already, and all or nothing.
 *
 * @param {{ sourceRoot?: string, skipInstall?: boolean }} options
 */
exports.nestAdd = (options) => (/** @type {Tree} */ tree, /** @type {Context} */ context) => {
  const unknown = Object.keys(options).find((option) => !OPTIONS.includes(option));
  if (unknown) refuse(`There is no option "${unknown}". Options: --dry-run, --skip-install, --project.`);
  const major = majorOfNest(tree);
  const root = posix.join('/', `${options.sourceRoot ?? 'src'}`);
  /** @type {string[]} */
  const sources = [];
  tree.getDir(root).visit((path) => {
    if (/(?<!spec|test|\.d)\.ts$/.test(path) && !path.includes('/node_modules/')) sources.push(tree.readText(path));
  });
  const has = (/** @type {RegExp} */ pattern) => sources.some((text) => pattern.test(codeOf(text)));
  const registered = sources.some(
    (text) => text.includes(LIBRARY) && /\bSessionModule\s*\.\s*forRoot/.test(codeOf(text)),
  );
  const hooked = has(/\benableShutdownHooks\b/);
  const adapter = !registered && !has(/\bTypeOrmModule\s*\.\s*forRoot|\bnew\s+DataSource\b/);

  if (!registered || !hooked) {
    const main = `${root}/main.ts`;
    if (!tree.exists(main)) refuse(`There is no ${main.slice(1)}.`);
    const text = tree.readText(main);
    const created =
      creation(text) ?? refuse(`${main.slice(1)} has no "const app = await NestFactory.create(AppModule)".`);
    if (!hooked)
      tree.overwrite(main, withHooks(text) ?? refuse(`${main.slice(1)} goes on after NestFactory.create().`));
    if (!registered) register(tree, main, created.module, adapter);
  }
  const changed = addPackages(tree, {
    [LIBRARY]: `^${version}`,
    '@nestjs/passport': `^${major}.0.0`,
    passport: peerDependencies.passport,
    'passport-http-bearer': peerDependencies['passport-http-bearer'],
    ...(adapter && { '@nestjs/typeorm': `^${major}.0.0`, typeorm: '^1.0.0', libsql: '^0.5.0' }),
  });
  const install = { name: 'node-package', options: { command: 'install', quiet: true, hideOutput: true } };
  if (changed && !options.skipInstall) context.addTask({ toConfiguration: () => install });
  if (changed || !registered || !hooked) context.logger.info(NEXT);
  return tree;
};

/** @param {Tree} tree @param {string} main path @param {string} module name of the root module @param {boolean} adapter */
function register(tree, main, module, adapter) {
  const text = tree.readText(main);
  const named = new RegExp(
    `^import\\s+(?:${module}|\\{[^}]*\\b${module}\\b[^}]*\\})\\s+from\\s*['"](.+?)(?:\\.js)?['"]`,
    'm',
  );
  const from = named.exec(text)?.[1];
  const stem = from && posix.join(posix.dirname(main), from);
  const path = stem ? [`${stem}.ts`, `${stem}/index.ts`].find((file) => tree.exists(file)) : main;
  if (!path || (from && !from.startsWith('.')))
    refuse(`${main.slice(1)} imports ${module} from '${from}', which is no file here.`);
  const source = tree.readText(path);
  const code = codeOf(source);
  const tsconfig = tree.exists('/tsconfig.json') ? tree.readText('/tsconfig.json') : '';
  const esm = /"type":\s*"module"/.test(tree.readText('/package.json'));
  const interop = esm || /"esModuleInterop":\s*true|"module":\s*"(node|preserve)/i.test(tsconfig);
  const libsql = interop ? "import libsql from 'libsql';" : "import libsql = require('libsql');";
  /** @param {string} from @param {string[]} names */
  const lineFor = (from, ...names) => {
    const missing = names.filter((name) => {
      const imported = new RegExp(`\\{[^}]*\\b${name}\\b[^}]*\\}\\s*from\\s*['"]${from}['"]`).test(source);
      if (!imported && new RegExp(`\\b${name}\\b`).test(code))
        refuse(`${path.slice(1)} has another ${name} than that of ${from}.`);
      return !imported;
    });
    return missing.length > 0 ? [`import { ${missing.join(', ')} } from '${from}';`] : [];
  };
  const lines = [
    ...(adapter ? [...lineFor('@nestjs/typeorm', 'TypeOrmModule'), libsql] : []),
    ...lineFor(LIBRARY, 'SessionModule', 'singleDevice'),
  ];
  const done =
    withModules(source, module, [...(adapter ? [DATABASE] : []), SESSIONS]) ??
    refuse(`${path.slice(1)} has no @Module({ ... }) of ${module} with a list of imports.`);
  tree.overwrite(path, withLines(done, lines));
}
