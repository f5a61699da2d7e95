import { afterAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { installLine } from '../../tools/lib/matrix-application.mjs';
import { compile, compiledIn } from '../support/compile.js';

type Files = Readonly<Record<string, string>>;

const root = fileURLToPath(new URL('../..', import.meta.url));
const DATABASE = "TypeOrmModule.forRoot({ type: 'better-sqlite3', driver: libsql, database: 'app.sqlite' })";
const SESSIONS = 'SessionModule.forRoot({ secret: process.env.SESSION_SECRET!, policy: singleDevice() })';
const OWN_DATABASE =
  "import { TypeOrmModule } from '@nestjs/typeorm';\nexport const own = TypeOrmModule.forRoot({});\n";

const MAIN = `import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';

async function bootstrap() {
  const app = await NestFactory.create(AppModule);
  await app.listen(3000);
}
await bootstrap();
`;
const MODULE = `import { Module } from '@nestjs/common';

@Module({})
export class AppModule {}
`;
const manifest = (nest: string | undefined, more: object = {}) =>
  `${JSON.stringify({ type: 'module', dependencies: { '@nestjs/core': nest, ...more } }, null, 2)}\n`;

interface Run {
  texts: Record<string, string>;
  tasks: unknown[];
  error?: string;
}

/** Runs the schematic by the engine of the CLI on applications of these files, beside the usual ones. A file of no text is missing. */
function runs(...cases: { files: Files; options?: object }[]): Run[] {
  const usual = { 'package.json': manifest('^12.0.0'), 'src/main.ts': MAIN, 'src/app.module.ts': MODULE };
  const input = cases.map(({ files, options = {} }) => {
    const all = Object.entries({ ...usual, ...files }).filter(([, text]) => text !== '');
    return { files: Object.fromEntries(all), options };
  });
  const script = join(root, 'test/nest/schematic-runs.mjs');
  const { stdout, stderr } = spawnSync(process.execPath, [script, join(root, 'schematics/collection.json')], {
    input: JSON.stringify(input),
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  return JSON.parse(stdout) as Run[];
}

const moduleText = (decorator: string, more = '') =>
  `import { Global, Module } from '@nestjs/common';\n${more}\nclass Users {}\n\n${decorator}\nexport class AppModule {}\nexport const used = [Users, Global];\n`;

describe('nest add, by the engine of the CLI', () => {
  const compiled: Record<string, string> = {};
  afterAll(() => rmSync(compiledIn('nest-add-edits'), { recursive: true, force: true }));

  it.each([
    ['an empty module', '@Module({})', `@Module({\n  imports: [\n    ${SESSIONS},\n  ],\n})`],
    [
      'no imports',
      '@Module({\n  providers: [Users],\n})',
      `@Module({\n  imports: [\n    ${SESSIONS},\n  ],\n  providers: [Users],\n})`,
    ],
    [
      'no imports, on one line',
      '@Module({ providers: [Users] })',
      `@Module({\n  imports: [\n    ${SESSIONS},\n  ],\n  providers: [Users] })`,
    ],
    ['a list without elements', '@Module({\n  imports: [],\n})', `@Module({\n  imports: [\n    ${SESSIONS},\n  ],\n})`],
    ['a list on one line', '@Module({ imports: [Users] })', `@Module({ imports: [Users,\n  ${SESSIONS},\n] })`],
    [
      'a trailing comma',
      '@Module({\n  imports: [\n    Users,\n  ],\n})',
      `@Module({\n  imports: [\n    Users,\n    ${SESSIONS},\n  ],\n})`,
    ],
    [
      'comments with brackets',
      '@Global()\n@Module({\n  // imports: [Old]\n  imports: [\n    Users, // all of them: [\n    /* ] */ Users // imports: []\n    // the end ]\n  ],\n})',
      `@Global()\n@Module({\n  // imports: [Old]\n  imports: [\n    Users, // all of them: [\n    /* ] */ Users, // imports: []\n    // the end ]\n    ${SESSIONS},\n  ],\n})`,
    ],
    [
      'other decorators, a quoted key and text with brackets',
      "@Module({\n\t'providers': [{ provide: 'imports: [', useValue: `]${1}` }],\n\t'imports': [{ module: Users, imports: [] }]\n})\n@Global()",
      `@Module({\n\t'providers': [{ provide: 'imports: [', useValue: \`]\${1}\` }],\n\t'imports': [{ module: Users, imports: [] },\n\t\t${SESSIONS},\n\t]\n})\n@Global()`,
    ],
    [
      'another module before it',
      '@Module({ imports: [] })\nexport class Other {}\n\n@Module({\n  imports: [Other],\n})',
      `@Module({ imports: [] })\nexport class Other {}\n\n@Module({\n  imports: [Other,\n    ${SESSIONS},\n  ],\n})`,
    ],
  ])('finds the imports of %s', (name, decorator, expected) => {
    const imported = "import { SessionModule, singleDevice } from 'nestjs-latchkey';\n";
    const eols = ['\n', '\r\n'];
    const given = { 'src/app.module.ts': moduleText(decorator), 'src/main.ts': MAIN, 'src/database.ts': OWN_DATABASE };
    const withEol = (eol: string) => Object.entries(given).map(([file, text]) => [file, text.replaceAll('\n', eol)]);
    const results = runs(...eols.map((eol) => ({ files: Object.fromEntries(withEol(eol)) as Files })));
    for (const [index, eol] of eols.entries()) {
      const { texts } = results[index]!;
      expect(texts['src/app.module.ts']).toBe(moduleText(expected, imported).replaceAll('\n', eol));
      const hooked = MAIN.replace(';\n  await', ';\n  app.enableShutdownHooks();\n  await');
      expect(texts['src/main.ts']).toBe(hooked.replaceAll('\n', eol));
    }
    compiled[`${name.replace(/\W+/g, '-')}.ts`] = results[0]!.texts['src/app.module.ts']!;
  });

  it('writes modules that compile', () => {
    expect(Object.keys(compiled)).toHaveLength(9);
    expect(compile('nest-add-edits', compiled, {})).toEqual([]);
  });

  it.each([11, 12])('adds what the README installs with Nest %d, and installs it', (major) => {
    const line = installLine(`# NestJS ${major}`)!.replace('npm install ', '').split(' ');
    const installed = { 'node_modules/@nestjs/core/package.json': JSON.stringify({ version: `${major}.1.2` }) };
    const [asked, found, skipped, present] = runs(
      { files: { 'package.json': manifest(`^${major}.0.1`) } },
      { files: { 'package.json': manifest('latest'), ...installed } },
      { files: { 'package.json': manifest(`~${major}.0.1`) }, options: { skipInstall: true, sourceRoot: 'src' } },
      { files: { 'package.json': manifest(`${major}`, { libsql: '0.4.0', typeorm: '0.3.20' }) } },
    );
    const dependencies = ({ texts }: Run) =>
      (JSON.parse(texts['package.json']!) as { dependencies: Record<string, string> }).dependencies;
    const { '@nestjs/core': core, ...added } = dependencies(asked!);
    expect(core).toBe(`^${major}.0.1`);
    expect(Object.keys(added).toSorted()).toEqual(line.map((name) => name.replace(/@\d+$/, '')).toSorted());
    for (const name of ['@nestjs/passport', '@nestjs/typeorm']) expect(added[name]).toBe(`^${major}.0.0`);
    expect(dependencies(found!)).toEqual({ ...added, '@nestjs/core': 'latest' });
    expect(dependencies(present!)).toMatchObject({ libsql: '0.4.0', typeorm: '0.3.20' });
    const install = { name: 'node-package', options: { command: 'install' } };
    expect([asked, found, skipped, present].map((run) => run!.tasks)).toMatchObject([
      [install],
      [install],
      [],
      [install],
    ]);
  });

  it('adds a database where the application has none, and only what is missing', () => {
    const sessions = `import { SessionModule } from 'nestjs-latchkey';\nexport const s = SessionModule.forRoot({});\n`;
    const inMain = `${MODULE}${MAIN.replace(/^.*AppModule }.*\n/m, '')}`;
    const [without, typeOrm, source, commented, registered, oneFile, old, twice] = runs(
      { files: {} },
      { files: { 'src/database.ts': OWN_DATABASE } },
      { files: { 'src/database.ts': 'export const source = new DataSource({});\n' } },
      { files: { 'src/database.ts': OWN_DATABASE.replaceAll(/^/gm, '// ') } },
      { files: { 'src/sessions.ts': sessions } },
      { files: { 'src/app.module.ts': '', 'src/main.ts': inMain } },
      { files: { 'package.json': manifest('^11.0.0').replace('module', 'commonjs') } },
      {
        files: {
          'src/app.module.ts': `import { SessionModule } from 'nestjs-latchkey';\n${MODULE}export { SessionModule };\n`,
        },
      },
    );
    const imports = ['@nestjs/typeorm', 'libsql', 'nestjs-latchkey'];
    const importsOf = ({ texts }: Run, file = 'src/app.module.ts') =>
      [...texts[file]!.matchAll(/^import .*(?:from |require\()'(.*)'/gm)].map(([, name]) => name).slice(1);
    for (const run of [without!, commented!]) {
      expect(importsOf(run)).toEqual(imports);
      expect(run.texts['src/app.module.ts']).toContain(`    ${DATABASE},\n    ${SESSIONS},\n`);
    }
    for (const run of [typeOrm!, source!]) {
      expect(importsOf(run)).toEqual(['nestjs-latchkey']);
      expect(run.texts['src/app.module.ts']).not.toContain('TypeOrmModule');
      expect(run.texts['package.json']).not.toMatch(/typeorm|libsql/);
    }
    expect(registered!.texts['src/app.module.ts']).toBe(MODULE);
    expect(registered!.texts['src/main.ts']).toContain('app.enableShutdownHooks();');
    expect(oneFile!.texts['src/main.ts']).toMatch(/SessionModule\.forRoot[^]*class AppModule[^]*enableShutdownHooks/);
    expect(old!.texts['src/app.module.ts']).toContain("import libsql = require('libsql');");
    expect(twice!.texts['src/app.module.ts']).toContain("import { singleDevice } from 'nestjs-latchkey';");
    const second = runs(
      ...[without, typeOrm, source, registered, oneFile, old, twice].map((run) => ({ files: run!.texts })),
    );
    expect(second.map(({ tasks }) => tasks)).toEqual(second.map(() => []));
  });

  it('calls enableShutdownHooks after the application is created', () => {
    const created = [
      [
        'const app = await NestFactory.create(AppModule);',
        'const app = await NestFactory.create(AppModule);\n  app.enableShutdownHooks();',
      ],
      [
        'const app: INestApplication = await NestFactory.create<Nest>(AppModule, {\n    cors: { origin: "x)" },\n  }); // not ()',
        'const app: INestApplication = await NestFactory.create<Nest>(AppModule, {\n    cors: { origin: "x)" },\n  }); // not ()\n  app.enableShutdownHooks();',
      ],
      [
        'const nest = await NestFactory.create(AppModule)',
        'const nest = await NestFactory.create(AppModule)\n  nest.enableShutdownHooks();',
      ],
    ] as const;
    const line = created[0][0];
    const results = runs(...created.map(([given]) => ({ files: { 'src/main.ts': MAIN.replace(line, given) } })));
    expect(results.map(({ texts }) => texts['src/main.ts'])).toEqual(
      created.map(([, made]) => MAIN.replace(line, made)),
    );
  });

  it('refuses what it cannot read, and says what to add by hand', () => {
    const module = (decorator: string) => ({ 'src/app.module.ts': MODULE.replace('@Module({})', decorator) });
    const main = (from: string, to: string) => ({ 'src/main.ts': MAIN.replace(from, to) });
    const cases: [Files, string, object?][] = [
      [module('@Module(metadata)'), 'src/app.module.ts has no @Module({ ... }) of AppModule with a list of imports'],
      [module('@Module({ imports })'), 'src/app.module.ts has no @Module'],
      [module('@Module({ ...metadata })'), 'src/app.module.ts has no @Module'],
      [module('@Module({ imports: modules })'), 'src/app.module.ts has no @Module'],
      [module('@Module({ imports: modules() })'), 'src/app.module.ts has no @Module'],
      [module('@Module({ imports: ['), 'src/app.module.ts has no @Module'],
      [module('@Module({})\nexport class Other {}\n'), 'src/app.module.ts has no @Module'],
      [{ 'src/app.module.ts': '' }, "src/main.ts imports AppModule from './app.module', which is no file here"],
      [
        { 'src/app.module.ts': `import { SessionModule } from './session.module.js';\n${MODULE}` },
        'src/app.module.ts has another SessionModule than that of nestjs-latchkey',
      ],
      [main('./app.module.js', '@shop/app'), "src/main.ts imports AppModule from '@shop/app', which is no file here"],
      [
        main('const app = await NestFactory.create(AppModule)', 'NestFactory.create(AppModule).then(start)'),
        'src/main.ts has no "const app = ',
      ],
      [main('(AppModule);', '(AppModule)\n    .then(start);'), 'src/main.ts goes on after NestFactory.create()'],
      [{ 'src/main.ts': '' }, 'There is no src/main.ts'],
      [{}, 'There is no other/main.ts', { sourceRoot: 'other' }],
      [{}, 'There is no option "force". Options: --dry-run, --skip-install, --project', { force: true }],
      [{ 'package.json': '' }, 'There is no package.json in this folder'],
      [
        { 'package.json': manifest('^10.0.0') },
        'needs @nestjs/core of version 11 or 12, and this application has ^10.0.0',
      ],
      [
        { 'package.json': manifest(undefined) },
        'needs @nestjs/core of version 11 or 12, and this application has none',
      ],
    ];
    const results = runs(...cases.map(([files, , options]) => ({ files, options })));
    expect(results.map(({ error }) => error)).toEqual(cases.map(([, message]) => expect.stringContaining(message)));
    for (const { error } of results) {
      expect(error).toContain('Nothing was changed. Add by hand what is missing:');
      expect(error).toContain(SESSIONS);
    }
  });
});
