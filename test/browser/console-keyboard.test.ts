import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { SampleApps, type SampleApp, until } from '../sample-app/sample-app.js';
import { originOf, useBrowser } from './browser.js';
import { ConsolePage } from './console.js';

const browser = useBrowser();
const apps = new SampleApps();
let app: SampleApp;

beforeAll(async () => {
  app = await apps.start({ SESSION_POLICY: 'multi' });
});
afterAll(() => apps.close());

/** Refuses what a mouse does, from the first moment of the page. */
const NO_MOUSE = `for (const type of ['pointerdown', 'mousedown', 'touchstart'])
  addEventListener(type, () => console.error('a mouse was used'), true);`;

it('signs in, finds a session, opens its user and kicks it, without a mouse', async () => {
  const phone = await app.login('alice', { deviceType: 'phone', deviceName: 'Phone of Alice' });
  const laptop = await app.login('alice', { deviceType: 'laptop', deviceName: 'Laptop of Alice' });
  const context = await browser.context(originOf(app));
  await context.addInitScript(NO_MOUSE);
  const page = await context.newPage();
  await page.goto('/admin');
  const console = new ConsolePage(page);
  const { keyboard } = page;
  const focused = () => page.locator(':focus');
  const tabTo = async (is: () => Promise<boolean>) => {
    for (let presses = 0; !(await is()); presses += 1) {
      if (presses === 60) throw new Error('The Tab key does not lead there.');
      await keyboard.press('Tab');
    }
  };
  const isNamed = (name: string | RegExp, role: 'link' | 'button') => async () =>
    (await focused().and(page.getByRole(role, { name })).count()) === 1;

  await until(async () => (await focused().getAttribute('name')) === 'username'); // the first input waits for typing
  await keyboard.type('admin');
  await keyboard.press('Tab');
  await keyboard.type('admin-password');
  await keyboard.press('Enter');
  await console.isLive();

  await tabTo(isNamed('Online', 'link'));
  await keyboard.press('Enter');
  await console.settled('online');
  await keyboard.press('/');
  await keyboard.type('alice');
  await console.finds(2);
  await keyboard.press('Escape');
  await keyboard.press('j');
  await keyboard.press('j');
  expect(await focused().getAttribute('data-session-id')).toBe(
    await console.rows.nth(1).getAttribute('data-session-id'),
  );
  await keyboard.press('k');
  await keyboard.press('Enter');
  await console.settled('user');
  await page.getByText('Phone of Alice').first().waitFor();
  await page.getByText('Laptop of Alice').first().waitFor();

  const row = console.row('Phone of Alice').first();
  await tabTo(
    async () =>
      (await focused()
        .and(row.getByRole('button', { name: /Kick/ }))
        .count()) === 1,
  );
  await keyboard.press('Enter');
  await console.dialog.waitFor();
  await tabTo(isNamed('End 1 session', 'button'));
  await keyboard.press('Enter');
  await console.toast('1 session ended.');
  await console.dialog.waitFor({ state: 'hidden' });
  expect((await app.get('/me', phone.accessToken)).status).toBe(401);
  expect((await app.get('/me', laptop.accessToken)).status).toBe(200);

  await keyboard.press('?');
  await console.dialog.getByRole('heading', { name: 'Keyboard shortcuts' }).waitFor();
  await keyboard.press('Escape');
  await console.dialog.waitFor({ state: 'hidden' });
});
