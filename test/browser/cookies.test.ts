import { readFileSync } from 'node:fs';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type INestApplication, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { SessionModule, SessionService, accessAndRefresh, cookies, multiDevice } from 'nestjs-latchkey';
import { type Browser, type BrowserContext, type Page, chromium } from 'playwright-core';
import { CookieRoutes } from '../nest/cookie-app.js';
import { sessionOptions } from '../nest/http-app.js';
import type { SampleApp } from '../sample-app/sample-app.js';
import { serverUrl } from '../support/servers.js';
import { useBrowserWith } from './browser.js';
import { Device } from './device.js';
import { ENDED } from './recorder.js';

const tls = readFileSync(new URL('./loopback.pem', import.meta.url), 'utf8');
const TLS = { key: tls, cert: tls };

/** What fetch of a page came to: the answer as far as the page may read it. */
type Fetched = { readonly status: number; readonly text: string } | { readonly blocked: true };

/** Calls fetch in a page. */
function fetchIn(page: Page, url: string, init: object = {}): Promise<Fetched> {
  const call = `fetch(${JSON.stringify(url)}, ${JSON.stringify(init)})
    .then(async (answer) => ({ status: answer.status, text: await answer.text() }), () => ({ blocked: true }))`;
  return page.evaluate(call);
}

const json = (body: object) => ({
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify(body),
});

describe('cookies over https in Chromium', () => {
  let app: INestApplication;
  let foreign: https.Server;
  let browser: Browser;
  let context: BrowserContext | undefined;
  let own: string;
  /** Another origin of the same site, and another site. */
  const others = { 'same-site': '', 'cross-site': '' };

  beforeAll(async () => {
    foreign = https.createServer(TLS, (_request, response) => {
      response.setHeader('Content-Type', 'text/html');
      response.end('<title>elsewhere</title>');
    });
    await new Promise<void>((listening) => foreign.listen(0, '127.0.0.1', listening));
    const port = (foreign.address() as AddressInfo).port;
    others['same-site'] = `https://localhost:${port}`;
    others['cross-site'] = `https://127.0.0.1:${port}`;
    const options = sessionOptions({ transport: cookies(), tokens: accessAndRefresh(), policy: multiDevice() });
    @Module({ imports: [SessionModule.forRoot({ ...options, isGlobal: true })], controllers: [CookieRoutes] })
    class Root {}
    app = await NestFactory.create(Root, { logger: false, abortOnError: false, httpsOptions: TLS });
    // What a careless application allows: every site may read, if it comes without credentials.
    app.enableCors({ origin: '*' });
    await app.listen(0, '127.0.0.1');
    own = `https://localhost:${((app.getHttpServer() as https.Server).address() as AddressInfo).port}`;
    browser = await chromium.connect(await serverUrl('Chromium'));
  }, 600_000);
  afterEach(() => context?.close());
  afterAll(async () => {
    await browser.close();
    await app.close();
    await new Promise((closed) => foreign.close(closed));
  });

  const live = (user: string) => app.get(SessionService, { strict: false }).list(user);
  const open = async (origin: string) => {
    const page = await context!.newPage();
    await page.goto(origin);
    return page;
  };
  /** A browser with a login, and a page of the application in it. */
  const signedIn = async (user: string, more: object = {}) => {
    context = await browser.newContext({ ignoreHTTPSErrors: true });
    const page = await open(`${own}/comments`);
    const login = await fetchIn(page, '/login', json({ user, ...more }));
    expect(login).toMatchObject({ status: 201 });
    return page;
  };

  it('keeps the cookies, sends them, and shows no script any of them', async () => {
    const page = await signedIn('alice', { persistent: true });
    const kept = (await context!.cookies([own, `${own}/auth/refresh`])).sort((a, b) => (a.name < b.name ? -1 : 1));
    expect(
      kept.map(({ name, httpOnly, secure, sameSite, path }) => ({ name, httpOnly, secure, sameSite, path })),
    ).toEqual([
      { name: '__Host-session', httpOnly: true, secure: true, sameSite: 'Lax', path: '/' },
      { name: '__Secure-session-refresh', httpOnly: true, secure: true, sameSite: 'Strict', path: '/auth/refresh' },
    ]);
    expect(kept.every(({ expires }) => expires > Date.now() / 1000 + 86_400)).toBe(true);
    expect(await page.evaluate('document.cookie')).toBe('');
    expect(await fetchIn(page, '/me')).toMatchObject({ status: 200, text: '{"userId":"alice"}' });
    expect(await fetchIn(page, '/act', { method: 'POST' })).toMatchObject({ status: 201 });
    expect(await fetchIn(page, '/auth/refresh', { method: 'POST' })).toMatchObject({ status: 200 });
    expect(await fetchIn(page, '/act', { method: 'POST' })).toMatchObject({ status: 201 });
    expect(await fetchIn(page, '/logout', { method: 'POST' })).toMatchObject({ status: 204 });
    expect(await context!.cookies([own, `${own}/auth/refresh`])).toEqual([]);
    expect(await live('alice')).toEqual([]);
  });

  it.each(['same-site', 'cross-site'] as const)(
    'a %s page can neither act, nor read, nor log its visitor in',
    async (site) => {
      await signedIn(`victim of ${site}`);
      const page = await open(others[site]);
      for (const mode of ['no-cors', 'cors']) {
        for (const path of ['/act', '/logout', '/auth/refresh']) {
          await fetchIn(page, own + path, { method: 'POST', mode, credentials: 'include' });
        }
        await fetchIn(page, `${own}/login-by-hand`, { ...json({ user: 'mallory' }), mode, credentials: 'include' });
        expect(await fetchIn(page, `${own}/me`, { mode: 'cors', credentials: 'include' })).toEqual({ blocked: true });
      }
      // A form needs no CORS. The browser shows its answer, which no script of the page sees.
      const answer = page.waitForNavigation();
      await page.evaluate(`const form = document.createElement('form');
      Object.assign(form, { method: 'post', action: ${JSON.stringify(`${own}/act`)} });
      document.body.append(form);
      form.submit()`);
      expect((await answer)!.status()).toBe(site === 'same-site' ? 403 : 401);
      expect(await live('mallory')).toEqual([]);
      expect(await live(`victim of ${site}`)).toHaveLength(1);
      const back = await open(`${own}/me`);
      expect(await back.innerText('body')).toBe(`{"userId":"victim of ${site}"}`);
    },
  );
});

describe.each(['cookie', 'both'])('the front page with TOKEN_TRANSPORT=%s', (transport) => {
  let app: SampleApp;
  const browser = useBrowserWith(
    { SESSION_POLICY: 'single', TOKEN_TRANSPORT: transport },
    (started) => (app = started),
  );

  it('has one login for the browser, which is told of its end', async () => {
    browser.recorder.expect(ENDED);
    const page = await browser.open('/');
    const phone = new Device(page, 'phone');
    await page.getByText('take a private window for the second device').waitFor();
    expect(await page.locator('[data-device="laptop"]').isVisible()).toBe(false);
    await phone.signIn();
    await phone.panel.getByText('in a cookie that no script can read').waitFor();
    await phone.panel.getByRole('button', { name: 'Refresh' }).click();
    await page.getByRole('log').getByText('/auth/refresh').first().waitFor();
    await page.reload();
    await phone.says('signed in, live');
    expect(await page.evaluate('JSON.stringify(localStorage) + document.cookie')).not.toMatch(/_(at|rt)_/);
    const other = new Device(await browser.open('/'), 'phone');
    await other.signIn();
    await phone.says('ended');
    await other.panel.getByRole('button', { name: 'Log out', exact: true }).click();
    await other.panel.getByRole('button', { name: 'Sign in' }).waitFor();
    expect((await app.get('/health')).status).toBe(200);
  });
});
