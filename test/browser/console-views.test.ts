import { afterAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type TestDatabase, createSqlite } from '../support/databases.js';
import { LOAD, type SampleApp } from '../sample-app/sample-app.js';
import { seriousProblems } from './axe.js';
import { PHONE, drawn, useBrowserWith } from './browser.js';
import { ConsolePage } from './console.js';

let database: TestDatabase;
let app: SampleApp;
/** Every view, by the fragment of its address. */
let views: readonly (readonly [name: string, fragment: string])[];

const browser = useBrowserWith(
  async () => {
    database = await createSqlite();
    const size = ['--sessions=1200', '--ended=2400', '--users=700'];
    await promisify(execFile)(process.execPath, [LOAD, ...size, `--database=${database.url}`]);
    return { DATABASE_URL: database.url, SESSION_POLICY: 'multi' };
  },
  async (started) => {
    app = started;
    const { accessToken } = await app.login('admin', { deviceType: 'desktop', deviceName: 'Desk of the operator' });
    const path = `/admin/online-users?limit=1&createdTo=${Date.now() - 3_600_000}`;
    const { userId } = (await app.get(path, accessToken)).body.items[0] as { userId: string };
    await app.post(`/admin/users/${userId}/ban`, { service: 'comment', level: 2, reason: 'spam' }, accessToken);
    views = [
      ['overview', '#/overview'],
      ['online', '#/online'],
      ['users', '#/online?group=user'],
      ['user', `#/user/${userId}`],
      ['events', '#/events'],
      ['addresses', '#/addresses?ip=203.0.113.0/24'],
    ];
  },
);
afterAll(() => database.drop());

async function show(console: ConsolePage, fragment: string): Promise<void> {
  await console.page.evaluate(`location.hash = ${JSON.stringify(fragment)}`);
  await console.settled(/#\/([a-z]+)/.exec(fragment)![1]!);
  if (!fragment.startsWith('#/overview')) await console.rows.first().waitFor();
}

describe.each(['light', 'dark'] as const)('in %s colours', (colorScheme) => {
  it('every view is accessible, and shown in the documentation', async () => {
    const console = await ConsolePage.open(browser, { colorScheme });
    expect(await seriousProblems(console.page)).toEqual([]);
    if (colorScheme === 'light') await browser.screenshot(console.page, 'console-sign-in');
    await console.signIn();
    for (const [name, fragment] of views) {
      await show(console, fragment);
      expect([name, ...(await seriousProblems(console.page))]).toEqual([name]);
      if (colorScheme === 'light' || name === 'overview') {
        await browser.screenshot(console.page, `console-${name}${colorScheme === 'dark' ? '-dark' : ''}`);
      }
    }
    await show(console, '#/online');
    await console.rows.nth(1).getByRole('button', { name: /Kick/ }).click();
    await console.dialog.getByRole('button', { name: 'End 1 session' }).waitFor();
    expect(await seriousProblems(console.page)).toEqual([]);
  });
});

it('fits a phone of 360 pixels', async () => {
  const viewport = { width: 360, height: 740 };
  const console = await ConsolePage.open(browser, { viewport, hasTouch: true });
  expect(await console.overflow()).toBe(0);
  await console.signIn();
  for (const [name, fragment] of views) {
    await show(console, fragment);
    expect([name, await console.overflow()]).toEqual([name, 0]);
    expect([name, ...(await seriousProblems(console.page))]).toEqual([name]);
  }
  await console.page.setViewportSize(PHONE);
  await show(console, '#/online');
  await browser.screenshot(console.page, 'console-online-phone');
});

it('breaks no word and hides no action at any width', async () => {
  const console = await ConsolePage.signedIn(browser);
  for (const [name, fragment] of views) {
    await show(console, fragment);
    for (const width of [600, 768, 885, 900, 1000, 1100, 1200, 1400]) {
      await console.page.setViewportSize({ width, height: 800 });
      await drawn(console.page);
      const found = [await console.overflow(), ...(await console.brokenWords()), ...(await console.hiddenActions())];
      expect([name, width, ...found]).toEqual([name, width, 0]);
    }
  }
});

it('opens each dialog with the focus on its first field', async () => {
  const console = await ConsolePage.signedIn(browser);
  const { page } = console;
  await show(console, views.find(([name]) => name === 'user')![1]);
  for (const [button, label] of [
    ['Ban…', /^Reason/],
    ['Impersonate…', /^Reason/],
    ['Kick all devices…', /^Reason/],
  ] as const) {
    await page.getByRole('button', { name: button }).click();
    await console.dialog.locator('input').first().waitFor();
    expect([button, await console.focused()]).toEqual([button, expect.stringMatching(label)]);
    await page.keyboard.press('Escape');
    await console.dialog.waitFor({ state: 'detached' });
  }
});

it('names the zone of its times, marks what is not over, and says where nothing was counted', async () => {
  const console = await ConsolePage.signedIn(browser, { timezoneId: 'Asia/Kolkata' });
  const { page } = console;
  await console.settled('overview');
  await page
    .getByText('Times are of Asia/Calcutta (GMT+5:30).')
    .or(page.getByText('Times are of Asia/Kolkata'))
    .waitFor();
  await page.getByText('Dashed: the hour that still goes on.').first().waitFor();
  const logins = page.getByRole('group', { name: 'Sign-ins', exact: true });
  expect(await logins.innerText()).toMatch(/since \w+ \d+, \d+, \d+:30:00/);
  await page.getByRole('button', { name: '30 days' }).click();
  await page.getByText('Days are those of UTC.').first().waitFor();
  await logins.getByText(/^since .+ \(UTC\)$/).waitFor();
  await page.getByRole('button', { name: 'Table' }).click();
  const table = page.getByRole('table', { name: 'Live sessions over time' });
  const times = table.locator('tbody tr td:first-child');
  const day = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeZone: 'UTC' }).format(new Date());
  expect((await times.first().innerText()).replace(/\s+/g, ' ')).toBe(`${day} (UTC) so far`);
  expect(await times.filter({ hasText: 'so far' }).count()).toBe(1);
  // By address, and bursts first.
  const failed = page.locator('section').filter({ has: page.getByRole('heading', { name: 'Failed sign-ins' }) });
  expect(await failed.getByRole('button', { name: 'By address' }).getAttribute('aria-pressed')).toBe('true');
});

it('speaks Chinese, remembers it, and English again', async () => {
  const console = await ConsolePage.signedIn(browser);
  const { page } = console;
  await console.go('Online');
  await page.getByLabel('Language').selectOption({ label: '中文' });
  await page.getByRole('heading', { level: 1, name: '在线' }).waitFor();
  expect(await page.locator('html').getAttribute('lang')).toBe('zh-CN');
  await page.reload();
  await page.getByRole('heading', { level: 1, name: '在线' }).waitFor();
  await console.settled('online');
  await browser.screenshot(page, 'console-online-chinese');
  for (const [, fragment] of views) {
    await show(console, fragment);
    // Whatever is text of the console, and not data, has been translated.
    const words = await page.locator('main h1, main h2, main th, main label, main .button').allInnerTexts();
    expect(
      words.filter((text) => /\p{L}/u.test(text) && !/\p{Script=Han}|^CSV$|^NDJSON$|^[a-z]+\.[a-z]+\d*$/u.test(text)),
    ).toEqual([]);
  }
  await page.getByLabel('语言').selectOption({ label: 'English' });
  await page.getByRole('heading', { level: 1, name: 'Addresses' }).waitFor();
});

it('takes the language and the colours of the browser, until the reader chooses', async () => {
  const { page } = await ConsolePage.open(browser, { locale: 'zh-CN', colorScheme: 'dark' });
  await page.getByRole('button', { name: '登录' }).waitFor();
  /** Whether letters are light. */
  const isDark = async () => {
    const color = await page.evaluate<string>('getComputedStyle(document.body).color');
    const [red = 0, green = 0, blue = 0] = color.match(/[\d.]+/g)!.map(Number);
    return red + green + blue > 382;
  };
  expect(await isDark()).toBe(true);
  await page.getByRole('button', { name: '浅色或深色' }).click();
  expect(await isDark()).toBe(false);
  await page.reload();
  await page.getByRole('button', { name: '登录' }).waitFor();
  expect(await isDark()).toBe(false);
});
