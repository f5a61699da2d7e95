import { readFileSync } from 'node:fs';

const read = (file) => JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8'));
const { name } = read('./package.json');
const { paths } = read('./tsconfig.json').compilerOptions;

export default {
  testMatch: ['<rootDir>/{test,examples}/**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    // The inside of the library, by the name of a file alone: a move from room to room touches no test.
    '^lib/(.*)\\.js$': paths['lib/*'].map((path) => path.replace('./', '<rootDir>/').replace('*', '$1')),
    // With TEST_REDIS=standalone or cluster, every module of every test has a Redis.
    [`^${name}$`]: process.env.TEST_REDIS ? '<rootDir>/test/support/latchkey-with-redis.ts' : '<rootDir>/lib/index.ts',
    [`^${name}/(.*)$`]: '<rootDir>/lib/$1/index.ts',
    // With TEST_TYPEORM=0.3, everything in the process of a test uses that version.
    ...(process.env.TEST_TYPEORM === '0.3' && { '^typeorm$': 'typeorm-03' }),
  },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2022',
          keepClassNames: true,
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: true },
        },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
    // mercurius requires it, and it is an ES module: Node can do that, Jest cannot.
    '/content-disposition/.+\\.js$': ['@swc/jest', { jsc: { target: 'es2022' }, module: { type: 'commonjs' } }],
  },
  transformIgnorePatterns: ['/node_modules/(?!content-disposition/)'],
  globalSetup: '<rootDir>/test/support/global-setup.mjs',
  globalTeardown: '<rootDir>/test/support/global-teardown.mjs',
  // So that one that hangs is told of; how fast the machine is, no test says by this.
  testTimeout: 240_000,
  maxWorkers: 3,
  workerIdleMemoryLimit: '800MB',
  coverageProvider: 'v8',
  collectCoverageFrom: ['lib/**/*.ts'],
};
