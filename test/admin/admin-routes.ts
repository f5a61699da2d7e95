import { RequestMethod, type Type } from '@nestjs/common';
import { METHOD_METADATA, MODULE_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { Reflector } from '@nestjs/core';
import { type AdminRight } from 'lib/admin-options.js';
import { NeedsRight } from 'lib/admin.guard.js';
import { SessionAdminModule } from 'lib/session-admin.module.js';
import { Public } from 'lib/route-decorators.js';

export interface AdminRoute {
  readonly method: string;
  /** Without the path of the module. */
  readonly path: string;
  /** Null for one that is open. */
  readonly right: AdminRight | null;
}

/** All routes of the module, by reflection: a new one is among them by itself. */
export function registeredRoutes(): readonly AdminRoute[] {
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
      return { method, path, right: isOpen ? null : (reflector.get(NeedsRight, handler) ?? 'view') };
    });
  });
}
