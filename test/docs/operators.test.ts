import { describe, expect, it } from '@jest/globals';
import { RequestMethod, type Type } from '@nestjs/common';
import { METHOD_METADATA, MODULE_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { Reflector } from '@nestjs/core';
import {
  ADMIN_RIGHTS,
  type AdminRight,
  type SessionAdminExtras,
  type SessionAdminOptions,
} from '../../lib/admin/admin-options.js';
import { CHANGES, NeedsRight } from '../../lib/admin/admin.guard.js';
import { SessionAdminModule } from '../../lib/admin/session-admin.module.js';
import { Public } from '../../lib/nest/decorators.js';
import { readPage } from './examples.js';

const page = readPage('docs/operators.md');

/** The rows of the first table under a heading, each as its cells. */
function tableUnder(heading: string): readonly (readonly string[])[] {
  const lines = page.slice(page.indexOf(`\n${heading}\n`)).split('\n');
  const from = lines.findIndex((line) => line.startsWith('| ---')) + 1;
  const rows = lines.slice(from);
  const cells = (row: string) => row.split(/(?<!\\)\|/).map((cell) => cell.trim());
  return rows.slice(0, rows.indexOf('')).map((row) => cells(row).slice(1, -1));
}

/** What the page says that a route needs, as its row begins. */
function needOf(right: AdminRight): string {
  return `\`${right}\`${CHANGES.includes(right) ? ', fresh' : ''}`;
}

/** The routes that the module registers, with what each needs. */
function registeredRoutes(): readonly (readonly [string, string])[] {
  const reflector = new Reflector();
  const controllers = Reflect.getMetadata(MODULE_METADATA.CONTROLLERS, SessionAdminModule) as readonly Type[];
  return controllers.flatMap((controller) => {
    const methods = Object.getOwnPropertyDescriptors(controller.prototype) as Record<string, PropertyDescriptor>;
    const handlers = Object.values(methods).flatMap(({ value }) =>
      typeof value === 'function' && Reflect.hasMetadata(METHOD_METADATA, value) ? [value as () => unknown] : [],
    );
    return handlers.map((handler) => {
      const method = RequestMethod[Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod];
      const parts = [controller, handler].map((target) => Reflect.getMetadata(PATH_METADATA, target) as string);
      const path = `/${parts.join('/')}`.replace(/\/{2,}/g, '/').replace(/(?<=.)\/$/, '');
      const isOpen = reflector.getAllAndOverride(Public, [handler, controller]);
      return [`${method} ${path}`, isOpen ? 'nothing' : needOf(reflector.get(NeedsRight, handler) ?? 'view')] as const;
    });
  });
}

describe('docs/operators.md', () => {
  it('has every route of the module, no other, and what each needs', () => {
    const rows = tableUnder('## Routes').map(([route, need]) => {
      const [, name] = /^`([A-Z]+ [^?`]+)/.exec(route!)!;
      // What it needs beside that for some of its queries is told in words.
      return [name!, /^(nothing|`\w+`(, fresh)?)/.exec(need!)![0]] as const;
    });
    const registered = registeredRoutes();
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
