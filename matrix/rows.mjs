import { startPostgres } from '../tools/servers/postgres.mjs';
import { startRedis } from '../tools/servers/redis.mjs';
import { installLine, linesOf, quickStart } from '../tools/lib/matrix-application.mjs';
import { fromEmptyFolder, nest11, nest12, nestAdd, nestNew, versions } from './beginnings.mjs';

async function onNode(app, major) {
  await nest12(app);
  await app.sh(`npm install --no-save node-${process.platform}-${process.arch}@${major}`);
  const bin = `${app.folder}/node_modules/node-${process.platform}-${process.arch}/bin`;
  app.env = { ...app.env, PATH: `${bin}:${app.env.PATH}` };
  const version = (await app.sh('node --version')).trim();
  if (!version.startsWith(`v${major}.`)) throw new Error(`it runs Node ${version}`);
  await app.serves();
  await app.sh('npm test');
  return `passes with Node ${version}`;
}

/** Compiles what is in src, and every type that it reaches. */
const compiles = async (app, resolution, module, more = '') => {
  const options = `--noEmit --skipLibCheck false --module ${module} --moduleResolution ${resolution} ${more}`;
  await app.sh(`npx tsc -p tsconfig.json ${options}`);
};

const FASTIFY = [
  [
    "import { NestFactory } from '@nestjs/core';",
    "import { NestFactory } from '@nestjs/core';\nimport { FastifyAdapter } from '@nestjs/platform-fastify';",
  ],
  ['NestFactory.create(AppModule)', 'NestFactory.create(AppModule, new FastifyAdapter())'],
];
const withRedis = (source) =>
  source
    .replace('import libsql', "import { redis } from 'nestjs-latchkey/redis';\nimport libsql")
    .replace('policy: singleDevice()', 'policy: singleDevice(), redis: redis(process.env.REDIS_URL!)');

async function onRedis(app, install) {
  await nest12(app);
  await app.sh(install);
  app.write('src/main.ts', withRedis(quickStart));
  const server = await startRedis();
  try {
    await app.serves('npm start', { REDIS_URL: server.url });
  } finally {
    await server.stop();
  }
  return versions(app, 'ioredis', 'typeorm');
}

/** @type {Record<string, { what: string, run: (app: any) => Promise<string | void> }>} */
export const rows = {
  'nest-12': {
    what: '`nest new` of Nest 12 (ESM), install line and quick start of the README; Vitest as the CLI sets it up',
    run: async (app) => {
      await nest12(app);
      await app.serves();
      await app.sh('npm test');
      return versions(app, '@nestjs/core', 'typeorm', 'vitest');
    },
  },
  'nest-11': {
    what: '`nest new` of Nest 11 (CommonJS), install line and quick start of the README; Jest as the CLI sets it up (ts-jest)',
    run: async (app) => {
      await nest11(app);
      await app.serves();
      await app.sh('npm test');
      return versions(app, '@nestjs/core', 'typeorm', 'jest');
    },
  },
  'nest-11-typeorm-0.3': {
    what: 'the same with TypeORM 0.3, and Jest by @swc/jest as well',
    run: async (app) => {
      await nest11(app);
      await app.sh('npm install typeorm@0.3');
      await app.serves();
      await app.sh('npm test');
      await app.sh('npm install --save-dev @swc/core @swc/jest');
      app.write('.swcrc', JSON.stringify(SWC));
      const config = { ...JSON.parse(app.read('package.json')).jest, transform: { '^.+\\.ts$': '@swc/jest' } };
      app.write('jest.swc.json', JSON.stringify(config));
      await app.sh('npx jest --config jest.swc.json');
      return versions(app, '@nestjs/core', 'typeorm', 'jest');
    },
  },
  'typeorm-0.3.20': {
    what: 'Nest 11 with the oldest TypeORM, on PostgreSQL',
    run: async (app) => {
      await nest11(app);
      await app.sh('npm install typeorm@0.3.20 pg');
      const options = "{ type: 'better-sqlite3', driver: libsql, database: 'app.sqlite' }";
      const source = quickStart
        .replace(/^import libsql.*\n/m, '')
        .replace(options, "{ type: 'postgres', url: process.env.DATABASE_URL }");
      app.write('src/main.ts', source);
      const server = await startPostgres();
      try {
        await app.serves('npm start', { DATABASE_URL: server.url });
      } finally {
        await server.stop();
      }
      return versions(app, 'typeorm', 'pg');
    },
  },
  'nest-add-12': {
    what: '`nest new` of Nest 12, and [`nest add nestjs-latchkey`](#by-the-nest-cli), which installs and registers all; the controller of the quick start',
    run: (app) => nestAdd(app, 12),
  },
  'nest-add-11': { what: 'the same with Nest 11', run: (app) => nestAdd(app, 11) },
  'npm-init': {
    what: '[an empty folder](#from-an-empty-folder): `npm init`, install line and quick start, plain `tsc`',
    run: async (app) => {
      await fromEmptyFolder(app, 'npm install');
      return versions(app, '@nestjs/core', 'typescript');
    },
  },
  'yarn-1': {
    what: 'the same installed by Yarn 1, with `--ignore-engines` on Node 20',
    run: async (app) => {
      const yarn = 'npx --yes yarn@1';
      // Of Node 20, which a dependency of Nest 12 no longer names.
      await fromEmptyFolder(app, `${yarn} add --ignore-engines`);
      return `passes with yarn ${(await app.sh(`${yarn} --version`)).trim()}`;
    },
  },
  fastify: {
    what: 'Nest 12 on Fastify',
    run: async (app) => {
      await nest12(app);
      await app.sh('npm install @nestjs/platform-fastify');
      app.write(
        'src/main.ts',
        FASTIFY.reduce((source, [from, to]) => source.replace(from, to), quickStart),
      );
      await app.serves();
      return versions(app, '@nestjs/platform-fastify');
    },
  },
  pnpm: {
    what: 'Nest 12 by pnpm, whose node_modules give each package only what it declares',
    run: async (app) => {
      await nestNew(app, 12, '--skip-install --package-manager pnpm');
      const pnpm = 'npx --yes pnpm@10';
      await app.sh(`${pnpm} install`);
      await app.sh(installLine('# NestJS 12').replace('npm install', `${pnpm} add`));
      app.write('src/main.ts', quickStart);
      app.copy('matrix/orders.spec.ts', 'src/orders.spec.ts');
      await app.serves(`${pnpm} start`);
      await app.sh(`${pnpm} test`);
      return `passes with pnpm ${(await app.sh(`${pnpm} --version`)).trim()}`;
    },
  },
  swc: {
    what: 'Nest 12, built by `nest build --builder swc`',
    run: async (app) => {
      await nest12(app);
      await app.sh('npm install --save-dev @swc/cli @swc/core');
      await app.sh('npx nest build --builder swc');
      await app.serves('node dist/main.js');
      return versions(app, '@swc/core');
    },
  },
  webpack: {
    what: 'Nest 11, built by `nest build --builder webpack`',
    run: async (app) => {
      await nest11(app);
      await app.sh('npx nest build --builder webpack');
      await app.serves('node dist/main.js');
    },
  },
  rspack: {
    what: 'Nest 12 in one file by rspack, the library included; native drivers stay outside',
    run: async (app) => {
      await nest12(app);
      await app.sh('npm install --save-dev @rspack/core @rspack/cli');
      app.copy('matrix/rspack.config.mjs', 'rspack.config.mjs');
      await app.sh('npx nest build && npx rspack build');
      await app.serves('node bundle/main.cjs');
      return versions(app, '@rspack/core');
    },
  },
  'ioredis-5': { what: 'Nest 12 with Redis by ioredis 5', run: (app) => onRedis(app, 'npm install ioredis@5') },
  'ioredis-6': {
    what: '[Nest 12 with Redis by ioredis 6](#ioredis-6)',
    run: (app) => onRedis(app, `set -e\n${linesOf('docs/peers.md', 'overrides.typeorm')}`),
  },
  'node-20': { what: 'Nest 12 on Node 20', run: (app) => onNode(app, 20) },
  'node-22': { what: 'Nest 12 on Node 22', run: (app) => onNode(app, 22) },
  'node-24': { what: 'Nest 12 on Node 24', run: (app) => onNode(app, 24) },
  'types-12': {
    what: 'types of Nest 12 with `skipLibCheck: false` and `@types/passport`, `moduleResolution` node16, nodenext and bundler',
    run: async (app) => {
      await nest12(app);
      // Of @nestjs/passport, which does not install them.
      await app.sh('npm install --save-dev @types/passport');
      await compiles(app, 'node16', 'node16');
      await compiles(app, 'nodenext', 'nodenext');
      await compiles(app, 'bundler', 'esnext');
      return versions(app, 'typescript');
    },
  },
  'types-11': {
    what: 'types of Nest 11 with `skipLibCheck: false` and `@types/passport`, `moduleResolution` node, node16 and bundler',
    run: async (app) => {
      await nest11(app);
      // Of @nestjs/passport, which does not install them.
      await app.sh('npm install --save-dev @types/passport');
      await compiles(app, 'node', 'commonjs', '--resolvePackageJsonExports null');
      await compiles(app, 'node16', 'node16');
      await compiles(app, 'bundler', 'esnext');
      return versions(app, 'typescript');
    },
  },
};

const DECORATORS = { legacyDecorator: true, decoratorMetadata: true };
const SWC = { jsc: { target: 'es2022', parser: { syntax: 'typescript', decorators: true }, transform: DECORATORS } };
