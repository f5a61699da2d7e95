import { describe, expect, it } from '@jest/globals';
import { type INestApplication, Module, VersioningType } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { ExpressAdapter } from '@nestjs/platform-express';
import { createRequire } from 'node:module';
import helmet from 'helmet';
import { SessionModule, TokenService } from 'nestjs-latchkey';
import { SessionAdminModule } from 'nestjs-latchkey/admin';
import { sqliteOptions } from '../test/support/databases.js';
import { SECRET } from '../test/support/sessions.js';

/** Has no types. */
const compression = createRequire(import.meta.url)('compression') as (options: object) => () => void;

const PREFIXED = (app: INestApplication) =>
  app.setGlobalPrefix('api').enableVersioning({ type: VersioningType.URI, defaultVersion: '1' });

describe.each([
  { name: 'plainly', path: '/admin', Adapter: ExpressAdapter, configure: () => {} },
  { name: 'with prefix and version', path: '/api/v1/admin', Adapter: ExpressAdapter, configure: PREFIXED },
  { name: 'with prefix and version on Fastify', path: '/api/v1/admin', Adapter: FastifyAdapter, configure: PREFIXED },
  {
    name: 'with helmet and compression',
    path: '/admin',
    Adapter: ExpressAdapter,
    configure: (app: INestApplication) => app.use(helmet(), compression({ threshold: 0 })),
  },
])('the console $name', ({ path, Adapter, configure }) => {
  it('finds its files and routes beside itself, and follows the live stream', async () => {
    @Module({
      imports: [
        SessionModule.forRoot({ secret: SECRET, database: sqliteOptions(':memory:'), isGlobal: true }),
        SessionAdminModule.forRoot({ authorize: () => true, console: { login: '/login' } }),
      ],
    })
    class Root {}
    const app = await NestFactory.create(Root, new Adapter(), { logger: false, abortOnError: false });
    configure(app);
    await app.listen(0, '127.0.0.1');
    try {
      const { accessToken } = await app.get(TokenService, { strict: false }).login('root');
      const headers = { Authorization: `Bearer ${accessToken}` };
      for (const at of [path, `${path}?a=/b`]) {
        const page = await fetch((await app.getUrl()) + at);
        expect([page.status, page.headers.get('content-security-policy')]).toEqual([
          200,
          expect.stringContaining("script-src 'self'; style-src 'self'; img-src 'self' data: https:"),
        ]);
        const links = [...(await page.text()).matchAll(/(?:href|src)="(\.[^"]*)"/g)].map(([, link]) => link!);
        expect(links).toHaveLength(2);
        for (const link of links) {
          const file = await fetch(new URL(link, page.url));
          expect([file.status, (await file.text()).length]).toEqual([200, expect.any(Number)]);
          const again = { 'If-None-Match': file.headers.get('etag')! };
          expect((await fetch(file.url, { headers: again })).status).toBe(304);
        }
        const beside = new URL('..', new URL(links[1]!, page.url));
        expect((await fetch(new URL('online-users', beside), { headers })).status).toBe(200);
        const live = await fetch(new URL('live', beside), { headers });
        expect(live.headers.get('content-type')).toMatch(/^text\/event-stream/);
        const reader = live.body!.getReader();
        // Held back by a compression that waits for more.
        expect((await reader.read()).value!.length).toBeGreaterThan(0);
        await reader.cancel();
      }
    } finally {
      await app.close();
    }
  });
});
