import { beforeAll, describe, expect, it } from '@jest/globals';
import { RequestMethod, type Type } from '@nestjs/common';
import { INTERCEPTORS_METADATA, METHOD_METADATA, MODULE_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { AdminModule } from '../../sample-app/admin/admin.module.js';
import { AppModule } from '../../sample-app/app.module.js';
import { AuthModule } from '../../sample-app/auth/auth.module.js';
import { useSampleApp } from './sample-app.js';

/** Pages, files and the health of the process: nothing is done with what browsers and monitors may add to their addresses. */
const OPEN = ['PagesController', 'CommandsController', 'HealthController'];

const controllers = [AppModule, AuthModule, AdminModule].flatMap(
  (module) => (Reflect.getMetadata(MODULE_METADATA.CONTROLLERS, module) ?? []) as Type[],
);
const strict = controllers.filter(({ name }) => !OPEN.includes(name));

const routes = strict.flatMap((controller) =>
  Object.values(Object.getOwnPropertyDescriptors(controller.prototype) as Record<string, PropertyDescriptor>)
    .map(({ value }) => value as object)
    .filter((handler) => typeof handler === 'function' && Reflect.hasMetadata(METHOD_METADATA, handler))
    .map((handler) => {
      const parts = [controller, handler].map((target) => Reflect.getMetadata(PATH_METADATA, target) as string);
      const path = `/${parts.join('/')}`.replace(/\/{2,}/g, '/').replace(/(?<=.)\/$/, '');
      return { method: RequestMethod[Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod]!, path };
    }),
);

it('A12: every controller refuses what its routes do not read', () => {
  expect(controllers.length).toBeGreaterThan(OPEN.length + 5);
  for (const controller of strict) {
    const interceptors = (Reflect.getMetadata(INTERCEPTORS_METADATA, controller) ?? []) as Type[];
    expect([controller.name, interceptors.map(({ name }) => name)]).toEqual([controller.name, ['StrictInput']]);
  }
});

describe.each(['express', 'fastify'])('A12: what the sample application does not understand, on %s', (HTTP_ADAPTER) => {
  const app = useSampleApp({ HTTP_ADAPTER });
  let token: string;

  beforeAll(async () => (token = (await app.login('admin')).accessToken));

  it.each(routes)('$method $path', async ({ method, path }) => {
    const at = path.replace(':id', '0'.repeat(32)).replace(':key', 'k');
    const refused = (name: string) => ({
      status: 400,
      body: { errorCode: 'ARGUMENT_INVALID', message: expect.stringContaining(`"${name}" is unknown`) },
    });
    const good: Record<string, object> = {
      '/auth/login': { username: 'alice', password: 'alice-password' },
      '/auth/refresh': { refreshToken: 'x' },
      '/auth/change-password': { oldPassword: 'admin-password', newPassword: 'admin-password' },
      '/auth/confirm-password': { password: 'admin-password' },
      '/comments': { text: 'Hello' },
      '/me/token-data/k': { value: 1 },
      '/me/account-data/k': { value: 1 },
    };
    const body = method === 'GET' ? undefined : (good[at] ?? {});
    for (const query of ['unknown=1', 'unknown=1&unknown=2', 'constructor=1']) {
      expect(await app.send(method, `${at}?${query}`, { token, body })).toMatchObject(refused(query.split('=')[0]!));
    }
    if (method === 'GET') return;
    for (const name of ['unknown', 'constructor', '__proto__']) {
      const text = JSON.stringify({ ...body, NAME: 1 }).replace('NAME', name);
      expect(await app.send(method, at, { token, body: text })).toMatchObject(refused(name));
    }
    for (const type of ['text/plain', 'application/octet-stream']) {
      const headers = { 'content-type': type };
      expect((await app.send(method, at, { token, body: '{"unknown":1}', headers })).status).toBe(400);
    }
    for (const bad of ['[]', '5', '"text"', 'true']) {
      expect((await app.send(method, at, { token, body: bad })).status).toBe(400);
    }
  });
});
