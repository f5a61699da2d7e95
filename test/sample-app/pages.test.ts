import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { commandsPage } from '../../sample-app/pages/commands-page.js';
import { type Answer, useSampleApp } from './sample-app.js';

const PUBLIC = fileURLToPath(new URL('../../sample-app/public', import.meta.url));
const CLIENT = fileURLToPath(new URL('../../lib/client', import.meta.url));
const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml; charset=utf-8',
};
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; " +
  "form-action 'self'; frame-ancestors 'none'";

describe.each(['express', 'fastify'])('the pages on %s', (HTTP_ADAPTER) => {
  const app = useSampleApp({ HTTP_ADAPTER, DATABASE_URL: 'sqlite::memory:', SESSION_POLICY: 'multi:2' });

  const expectFile = ({ status, headers, text }: Answer, kind: string) => {
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      'content-type': TYPES[kind],
      'content-security-policy': POLICY,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-cache',
    });
    expect(text.length).toBeGreaterThan(20);
  };

  it('are served with their scripts and styles, whose modules all exist', async () => {
    const pages = [await app.get('/'), await app.get('/devices'), await app.get('/commands')];
    for (const page of pages) expectFile(page, 'html');
    const seen = new Set<string>();
    const wanted = pages.flatMap(({ text }) => [...text.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)]);
    const queue = wanted.map(([, path]) => path!);
    for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
      if (seen.has(path)) continue;
      seen.add(path);
      const file = await app.get(path);
      expectFile(file, path.split('.').at(-1)!);
      if (!path.endsWith('.js')) continue;
      const imports = file.text.matchAll(/(?:from|import) ?\(?['"]([./][^'"]+)['"]/g);
      for (const [, name] of imports) queue.push(new URL(name!, `http://x${path}`).pathname);
    }
    expect([...seen]).toEqual(expect.arrayContaining(['/assets/home.js', '/assets/devices.js', '/client/index.js']));
    // Nothing lies about that no page uses.
    const own = readdirSync(PUBLIC).filter((name) => !name.endsWith('.html'));
    expect([...seen].filter((path) => path.startsWith('/assets/')).sort()).toEqual(
      own.map((name) => `/assets/${name}`).sort(),
    );
  });

  it('have no script or style of their own, and ask no other server', async () => {
    for (const path of ['/', '/devices', '/commands']) {
      const { text } = await app.get(path);
      expect(text).not.toMatch(/<script(?![^>]*\bsrc="\/)|<style| style=| on\w+=|javascript:/i);
      expect(text).not.toMatch(/(?:src|href)="(?!\/(?!\/))/);
    }
    for (const name of readdirSync(PUBLIC).filter((one) => one.endsWith('.js'))) {
      const { text } = await app.get(`/assets/${name}`);
      expect(text).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|https?:/);
    }
  });

  it('show commands in which no shell takes an address for a pattern', async () => {
    const { text } = await app.get('/commands');
    expect(text).toContain('?service=');
    expect(text).not.toMatch(/curl[^']* http[^'\s]*[?*[]/);
  });

  it.each([
    ['cookie', true],
    ['both', false],
    ['bearer', false],
  ] as const)('say with the transport %s if its commands are refused: %s', (transport, refused) => {
    const text = commandsPage('http://127.0.0.1:3000', 'refresh', transport);
    expect(text.includes('start it again with TOKEN_TRANSPORT=bearer or both')).toBe(refused);
  });

  it('are asked for again each time, and not sent again', async () => {
    for (const path of ['/', '/devices', '/assets/home.js', '/client/index.js']) {
      const { etag } = (await app.get(path)).headers;
      expect(etag).toMatch(/^"[\w-]{22}"$/);
      const again = (value: string) => app.send('GET', path, { headers: { 'if-none-match': value } });
      expect(await again(etag!)).toMatchObject({ status: 304, text: '', headers: { etag } });
      expect(await again(`"other", ${etag}`)).toMatchObject({ status: 304 });
      expect(await again('"other"')).toMatchObject({ status: 200 });
    }
  });

  it('are all that there is: a name is no path', async () => {
    const names = [
      ...'nothing.js index.html main.js ..%2fmain.js %2e%2e%2fmain.js ..%5cmain.js %2fetc%2fpasswd'.split(' '),
      ...'home.js%00 home.js.map index.d.ts __proto__ constructor'.split(' '),
      '',
    ];
    for (const folder of ['assets', 'client']) {
      for (const name of names) {
        const answer = await app.get(`/${folder}/${name}`);
        expect([folder, name, answer.status]).toEqual([folder, name, 404]);
        expect(answer.body).toMatchObject({ statusCode: 404 });
      }
    }
    expect((await app.get('/assets/../main.js')).status).toBe(404);
  });

  it('can import the whole browser client', async () => {
    const modules = readdirSync(CLIENT).map((name) => name.replace(/\.ts$/, '.js'));
    for (const name of modules) expectFile(await app.get(`/client/${name}`), 'js');
    const { text } = await app.get('/client/index.js');
    expect(text).toContain('createSessionClient');
  });

  it('know how the server is set up, and no address or secret of it', async () => {
    const settings = await app.get('/settings');
    expect(settings).toMatchObject({ status: 200, headers: { 'cache-control': 'no-store' } });
    expect(settings.body).toEqual({
      policy: 'multi:2',
      overflow: 'evict-oldest',
      tokenMode: 'refresh',
      tokenTransport: 'bearer',
      accessTtl: '30m',
      refreshTtl: '30d',
      idleTimeout: null,
      database: 'sqlite',
      redis: expect.any(Boolean),
      nearCache: 'auto',
    });
  });
});
