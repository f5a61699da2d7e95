import { beforeEach, expect, it } from '@jest/globals';
import type { Page } from 'playwright-core';
import type { SampleApp } from '../sample-app/sample-app.js';
import { seriousProblems } from './axe.js';
import { useBrowserWith } from './browser.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { Device } from './device.js';
import { ENDED } from './recorder.js';

let app: SampleApp;
const browser = useBrowserWith({ SESSION_POLICY: 'multi' }, (started) => (app = started));

async function myDevices(username: string): Promise<Page> {
  const page = await browser.open('/devices');
  await page.getByLabel('User').fill(username);
  await page.getByLabel('Password').fill(`${username}-password`);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: `Sessions of ${username}` }).waitFor();
  return page;
}

beforeEach(() => browser.recorder.expect(ENDED));

it('lists the devices of a user, signs one out, and its window is told', async () => {
  const phonePage = await browser.open('/');
  const phone = new Device(phonePage, 'phone');
  await phone.signIn('alice', 'Phone of Alice');
  const tablet = await app.login('alice', { deviceType: 'tablet', deviceName: 'Tablet of Alice' });

  const page = await myDevices('alice');
  const items = page.getByRole('list').filter({ hasText: 'Phone of Alice' }).getByRole('listitem');
  await items.filter({ hasText: 'Tablet of Alice' }).waitFor();
  expect(await items.count()).toBe(3);
  await items.filter({ hasText: 'this one' }).waitFor();
  expect(await seriousProblems(page)).toEqual([]);
  await browser.screenshot(page, 'my-devices');

  await page.getByRole('button', { name: 'Sign out Phone of Alice' }).click();
  await phone.says('ended');
  await items.filter({ hasText: 'Phone of Alice' }).waitFor({ state: 'detached' });
  expect((await app.get('/me', tablet.accessToken)).status).toBe(200);

  await page.getByRole('button', { name: 'Sign out the others' }).click();
  await page.getByText('Tablet of Alice').waitFor({ state: 'detached' });
  expect((await app.get('/me', tablet.accessToken)).status).toBe(401);
});

it('is told when it is signed out itself', async () => {
  const page = await myDevices('bob');
  const other = await app.login('bob');
  await app.post('/auth/logout-others', undefined, other.accessToken);
  await page
    .getByRole('alert')
    .getByText(/Logged out at|Ended/)
    .waitFor();
  await page.getByRole('button', { name: 'Sign in' }).waitFor();
});

it('B19: says that support is signed in, and not who, and of no device that is called so', async () => {
  const operator = await app.login('admin');
  const words = 'Support, signed in as you';
  await app.login('bob', { deviceName: words });
  await app.post('/admin/users/bob/impersonate', { reason: 'ticket 7' }, operator.accessToken);
  const page = await myDevices('bob');
  const item = page.getByRole('listitem').filter({ has: page.locator('.support').getByText(words) });
  await page.locator('b').getByText(words).waitFor();
  await item.waitFor();
  expect(await item.innerText()).not.toMatch(/admin|127\.0\.0\.1/);
  await item.getByRole('button', { name: `Sign out ${words}` }).click();
  await item.waitFor({ state: 'detached' });
});

it('shows names as they are, whatever they are made of', async () => {
  const attack = (mark: string) => `"'><img src=x onerror="window.__xss='${mark}'"><script>window.__xss=1</script>`;
  const login = await app.send('POST', '/auth/login', {
    headers: { 'user-agent': attack('agent') },
    body: { username: 'bob', password: 'bob-password', deviceType: 'phone', deviceName: attack('device') },
  });
  expect(login.status).toBe(200);
  const page = await myDevices('bob');
  for (const text of [attack('agent'), attack('device')]) await page.getByText(text).first().waitFor();
  expect(await page.evaluate('typeof window.__xss')).toBe('undefined');
});

it('notices that the stream went silent without a word, and follows again when the network is back', async () => {
  browser.recorder.expect(/ERR_CONNECTION_RESET/);
  const proxy = await TcpProxy.start(app.port);
  const page = await browser.page({ baseURL: `http://127.0.0.1:${proxy.port}` });
  await page.clock.install();
  await page.goto('/');
  const phone = new Device(page, 'phone');
  await phone.signIn();
  proxy.hold();
  await page.clock.fastForward('01:20');
  await phone.says('signed in, connecting again…');
  proxy.release();
  await page.clock.fastForward('00:30');
  await phone.says('signed in, live');
  await proxy.close();
});
