import { describe, expect, it } from '@jest/globals';
import { ADMIN_RIGHTS, type AdminRight, type SessionAdminExtras, type SessionAdminOptions } from 'lib/admin-options.js';
import { CHANGES } from 'lib/admin.guard.js';
import { registeredRoutes } from '../admin/admin-routes.js';
import { readPage } from './examples.js';

const page = readPage('docs/operators.md');

function tableUnder(heading: string): readonly (readonly string[])[] {
  const lines = page.slice(page.indexOf(`\n${heading}\n`)).split('\n');
  const from = lines.findIndex((line) => line.startsWith('| ---')) + 1;
  const rows = lines.slice(from);
  const cells = (row: string) => row.split(/(?<!\\)\|/).map((cell) => cell.trim());
  return rows.slice(0, rows.indexOf('')).map((row) => cells(row).slice(1, -1));
}

function needOf(right: AdminRight): string {
  return `\`${right}\`${CHANGES.includes(right) ? ', fresh' : ''}`;
}

function neededByRoute(): readonly (readonly [string, string])[] {
  return registeredRoutes().map(({ method, path, right }) => [
    `${method} ${path}`,
    right === null ? 'nothing' : needOf(right),
  ]);
}

describe('docs/operators.md', () => {
  it('has every route of the module, no other, and what each needs', () => {
    const rows = tableUnder('## Routes').map(([route, need]) => {
      const [, name] = /^`([A-Z]+ [^?`]+)/.exec(route!)!;
      // What it needs beside that for some of its queries is told in words.
      return [name!, /^(nothing|`\w+`(, fresh)?)/.exec(need!)![0]] as const;
    });
    const registered = neededByRoute();
    expect(registered.length).toBeGreaterThan(20);
    expect(Object.fromEntries(rows)).toEqual(Object.fromEntries(registered));
  });

  it('has every right and every option', () => {
    // The compiler says if one is missing here.
    const options: Record<keyof SessionAdminOptions | keyof SessionAdminExtras | 'imports', true> = {
      path: true,
      imports: true,
      authorize: true,
      guards: true,
      describeUsers: true,
      requireFresh: true,
      impersonate: true,
      console: true,
    };
    const tables = page.slice(page.indexOf('## The module'), page.indexOf('## Routes'));
    const names = [...tables.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name!);
    const known = [...Object.keys(options), ...ADMIN_RIGHTS];
    expect(names.filter((name) => name !== 'option').sort()).toEqual(known.sort());
  });
});
