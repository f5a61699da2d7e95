import { expect, it } from '@jest/globals';
import { rows } from '../../matrix/rows.mjs';
import { readPage } from './examples.js';

it('docs/peers.md has every row of the matrix, no other, and what it installs', () => {
  const lines = [...readPage('docs/peers.md').matchAll(/^\| `([\w.-]+)` \| (.*) \| [^|]+ \|$/gm)];
  const told = Object.fromEntries(lines.map(([, name, what]) => [name, what]));
  expect(told).toEqual(Object.fromEntries(Object.entries(rows).map(([name, { what }]) => [name, what])));
});
