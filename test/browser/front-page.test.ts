import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Page } from 'playwright-core';
import { seriousProblems } from './axe.js';
import { PHONE, useBrowserWith } from './browser.js';
import { Device } from './device.js';
import { ENDED } from './recorder.js';

const browser = useBrowserWith({ SESSION_POLICY: 'single' });

/** Says whether the page was loaded again since. */
async function noteLoad(page: Page): Promise<() => Promise<boolean>> {
  await page.evaluate('window.stillHere = true');
  return async () => (await page.evaluate('window.stillHere')) !== true;
}

describe('one user, one device', () => {
  beforeEach(() => browser.recorder.expect(ENDED));

  it('the phone in its own browser is told, without a reload, that the laptop took its place', async () => {
    const [phonePage, laptopPage] = [await browser.page({ viewport: PHONE }), await browser.page()];
    await phonePage.goto('/');
    await laptopPage.goto('/');
    const phone = new Device(phonePage, 'phone');
    const laptop = new Device(laptopPage, 'laptop');
    await phone.signIn();
    const wasReloaded = await noteLoad(phonePage);
    await laptop.signIn('alice', 'Laptop of Alice');
    await phone.says('ended');
    expect(await phone.notice.innerText()).toMatch(/^Replaced by laptop “Laptop of Alice” at /);
    expect(await wasReloaded()).toBe(false);
    await laptop.says('signed in, live');
    await browser.screenshot(phonePage, 'front-page-phone');
  });

  it('both devices of one window are clients of their own, and the answers are shown', async () => {
    const page = await browser.open('/');
    const [phone, laptop] = [new Device(page, 'phone'), new Device(page, 'laptop')];
    await phone.signIn();
    await laptop.signIn('bob');
    await phone.says('signed in, live');
    await laptop.panel.getByRole('button', { name: 'Log out', exact: true }).click();
    await laptop.panel.getByRole('button', { name: 'Sign in' }).waitFor();
    await laptop.signIn('alice');
    await phone.says('ended');
    expect(await phone.notice.innerText()).toMatch(/^Replaced by laptop “My laptop” at /);
    expect(await seriousProblems(page)).toEqual([]);
    await browser.screenshot(page, 'front-page');
    const log = page.getByRole('log');
    await log.getByText('/auth/login').first().waitFor();
    expect(await log.innerText()).not.toMatch(/[a-z0-9]{2,16}_(?:at|rt)_[\w-]{96}/); // no whole token on screen
    await phone.signIn();
    await laptop.says('ended');
  });

  it('says what is wrong with a password', async () => {
    const page = await browser.open('/');
    const phone = new Device(page, 'phone');
    await phone.panel.getByLabel('Password').fill('wrong');
    await phone.panel.getByRole('button', { name: 'Sign in' }).click();
    await phone.notice.getByText('BAD_CREDENTIALS').waitFor();
    await phone.says('not signed in');
  });
});

describe.each([
  ['/', 'Two devices, one account', '两台设备，一个账号'],
  ['/devices', 'My devices', '我的设备'],
])('the page %s', (path, english, chinese) => {
  it('speaks Chinese and remembers it, and English again', async () => {
    const page = await browser.open(path);
    const heading = page.getByRole('heading', { level: 1 });
    expect(await heading.innerText()).toBe(english);
    await page.getByRole('button', { name: '中文' }).click();
    expect(await heading.innerText()).toBe(chinese);
    await page.reload();
    expect(await heading.innerText()).toBe(chinese);
    expect(await page.locator('html').getAttribute('lang')).toMatch(/^zh/);
    await page.getByRole('button', { name: 'English' }).click();
    expect(await heading.innerText()).toBe(english);
  });

  it.each(['light', 'dark'] as const)('fits on a narrow phone and is accessible, %s', async (colorScheme) => {
    const page = await browser.open(path, { viewport: { width: 360, height: 740 }, colorScheme });
    await page.getByRole('button', { name: 'Sign in' }).first().waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360);
    expect(await seriousProblems(page)).toEqual([]);
  });
});

describe('one place, and a user who chooses', () => {
  const limited = useBrowserWith({ SESSION_POLICY: 'multi:1', SESSION_OVERFLOW: 'reject' });

  it('the laptop is let in once the phone was chosen to be signed out', async () => {
    limited.recorder.expect(ENDED);
    limited.recorder.expect(/409/);
    const page = await limited.open('/');
    const [phone, laptop] = [new Device(page, 'phone'), new Device(page, 'laptop')];
    await phone.signIn();
    await laptop.panel.getByRole('button', { name: 'Sign in' }).click();
    const choice = laptop.panel.getByRole('radio', { name: /^My phone, phone/ });
    await choice.waitFor();
    expect(await choice.isChecked()).toBe(true);
    expect(await seriousProblems(page)).toEqual([]);
    expect(await page.getByRole('log').innerText()).not.toMatch(/limit_[\w-]{40}/); // nor the whole ticket
    await laptop.panel.getByRole('button', { name: 'Cancel' }).click();
    await phone.says('signed in, live');
    await laptop.panel.getByRole('button', { name: 'Sign in' }).click();
    await laptop.panel.getByRole('button', { name: 'Sign it out and go on' }).click();
    await laptop.says('signed in, live');
    await phone.says('ended');
    expect(await phone.notice.innerText()).toMatch(/^Replaced by laptop/);
  });
});
