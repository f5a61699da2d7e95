import tseslint from 'typescript-eslint';

/** What each folder of lib may import: dependencies run one way (docs/architecture.md). */
const allowed = {
  core: [],
  database: ['core'],
  cache: ['core'],
  nest: ['core', 'database', 'cache'],
  admin: ['core', 'database', 'nest'],
  jwt: ['core', 'nest'],
  redis: ['core', 'cache'],
  terminus: ['nest'],
  metrics: ['core', 'nest'],
  testing: ['core'],
  console: ['client'],
  client: [],
};

const direction = Object.entries(allowed).map(([folder, may]) => ({
  files: [`lib/${folder}/**/*.{ts,tsx}`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          ...Object.keys(allowed)
            .filter((other) => other !== folder && !may.includes(other))
            .map((other) => ({
              regex: `^(\\.\\./)+${other}/`,
              message: `lib/${folder} may import ${may.length ? may.join(', ') : 'nothing'} of lib, not ${other}.`,
            })),
          ...(folder === 'core'
            ? [
                {
                  regex: '^(?!node:crypto$|\\.{1,2}/)',
                  message: 'lib/core imports node:crypto and itself, nothing else.',
                },
              ]
            : []),
          ...(folder === 'client'
            ? [{ regex: '^(?!\\./)', message: 'lib/client runs in browsers and imports itself, nothing else.' }]
            : []),
          { regex: '^(\\.\\./)+index\\.js$', message: 'The public entry is for users; import the file itself.' },
        ],
      },
    ],
  },
}));

export default tseslint.config(
  {
    ignores: [
      'dist/**',
      'dist-sample/**',
      'coverage/**',
      '.quick-start/**',
      'node_modules/**',
      'lib/admin/console-assets.ts',
    ],
  },
  {
    files: ['**/*.{ts,tsx}'],
    extends: [...tseslint.configs.recommendedTypeChecked],
    languageOptions: {
      parserOptions: {
        project: ['./tsconfig.json', './lib/console/tsconfig.json'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', ignoreRestSiblings: true }],
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/consistent-type-definitions': 'error',
      'no-console': 'off',
    },
  },
  { files: ['lib/**/*.{ts,tsx}'], rules: { 'no-console': 'error' } },
  // Rows and messages from other processes come without types; a test says what it expects of them.
  { files: ['test/**/*.ts'], rules: { '@typescript-eslint/no-unnecessary-type-assertion': 'off' } },
  {
    files: ['lib/**/*.{ts,tsx}', 'sample-app/**/*.ts'],
    rules: {
      'no-restricted-syntax': ['error', { selector: 'ExportAllDeclaration', message: 'Name what is exported.' }],
    },
  },
  ...direction,
);
