import { expect, it } from '@jest/globals';
import { codeBlocks, readPage } from './examples.js';

/** Every module on docs/testing.md is one of these files, which run as tests. */
const FILES = ['test/testing/orders.unit.test.ts', 'test/testing/work-policy.unit.test.ts'];

it('docs/testing.md shows tests as they run', () => {
  expect(codeBlocks('docs/testing.md', 'ts').map(({ text }) => text)).toEqual(FILES.map(readPage));
});
