import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SampleApps, type SampleApp, until } from '../sample-app/sample-app.js';
import { originOf, useBrowser } from './browser.js';
import { ConsolePage } from './console.js';
import { Device } from './device.js';
import { ENDED } from './recorder.js';

const browser = useBrowser();
const apps = new SampleApps();
let app: SampleApp;

beforeAll(async () => {
  app = await apps.start({ SEED_USERS: '1', SESSION_POLICY: 'multi' });
});
afterAll(() => apps.close());

describe('the sign-in', () => {
  it('tells a user without rights so, and lets an operator in', async () => {
    browser.recorder.expect(/status of 403/);
    const { page } = await ConsolePage.open(browser, originOf(app));
    await page.getByLabel('User name').fill('alice');
    await page.getByLabel('Password').fill('alice-password');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').getByText('This account may not use the console.').waitFor();
    const console = new ConsolePage(page);
    await console.signIn();
    await page.getByTitle('Signed in as admin').waitFor();
  });

  it('says that a password is wrong', async () => {
    browser.recorder.expect(/status of 401/);
    const { page } = await ConsolePage.open(browser, originOf(app));
    await page.getByLabel('User name').fill('admin');
    await page.getByLabel('Password').fill('wrong');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page
      .getByRole('alert')
      .getByText(/^The sign-in failed: /)
      .waitFor();
  });

  it('tells the operator whose own session ends', async () => {
    browser.recorder.expect(ENDED);
    const { page } = await ConsolePage.signedIn(browser, originOf(app));
    const other = await app.login('admin');
    await app.post('/auth/logout-others', undefined, other.accessToken);
    await page.getByRole('alert').getByText('You were signed out').waitFor();
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
  });
});

describe('an account', () => {
  it('is kicked from the console, and its own window says so', async () => {
    browser.recorder.expect(ENDED);
    const userPage = await browser.page(originOf(app));
    await userPage.goto('/');
    const phone = new Device(userPage, 'phone');
    await phone.signIn('alice', 'Phone of Alice');

    const console = await ConsolePage.signedIn(browser, originOf(app));
    await console.go('Online');
    await console.search.fill('alice');
    await console.row('Phone of Alice').getByRole('link', { name: 'alice' }).click();
    await console.settled('user');
    await console.row('Phone of Alice').getByRole('button', { name: 'Kick the session of alice' }).click();
    await console.dialog.getByLabel('Reason').fill('Lost phone');
    await console.dialog.getByRole('button', { name: 'End 1 session' }).click();
    await phone.says('ended');
    expect(await phone.notice.innerText()).toMatch(/^Ended by an administrator at /);
    const past = console.row('Phone of Alice').filter({ hasText: 'by admin' }); // without a reload
    await past.getByText('Lost phone').waitFor();
    await console.page.goto('/admin#/events?type=SESSION_ENDED&userId=alice');
    await console.row('Lost phone').first().waitFor();
  });

  it('is banned, which ends its sessions and refuses its logins, until the ban is lifted', async () => {
    browser.recorder.expect(ENDED);
    const userPage = await browser.page(originOf(app));
    await userPage.goto('/');
    const laptop = new Device(userPage, 'laptop');
    await laptop.signIn('bob');
    const console = await ConsolePage.signedIn(browser, originOf(app));
    const { page, dialog } = console;
    await console.openUser('bob');
    await page.getByText('This account is not banned.').waitFor();
    await page.getByRole('button', { name: 'Ban…' }).click();
    await dialog.getByLabel('Reason').fill('spam');
    await dialog.getByRole('button', { name: 'Ban', exact: true }).click();
    await console.toast('Banned; 1 session ended.');
    await laptop.says('ended');
    await page.getByText('0 sessions').waitFor();
    await console.row('Banned').getByText('spam').waitFor();
    expect(await laptop.notice.innerText()).toMatch(/^The account was disabled at /);
    await console.row('spam').getByRole('cell', { name: 'admin', exact: true }).waitFor();
    const login = () => app.post('/auth/login', { username: 'bob', password: 'bob-password' });
    expect(await login()).toMatchObject({ status: 401, body: { errorCode: 'ACCOUNT_DISABLED' } });

    await console.row('spam').getByRole('button', { name: 'Lift' }).click();
    await dialog.getByRole('button', { name: 'Lift' }).click();
    await console.toast('The ban was lifted.');
    await page.getByText('This account is not banned.').waitFor();
    expect((await login()).status).toBe(200);
  });

  it('D28: is banned from a service, which ends nothing, and is said to be', async () => {
    const { accessToken } = await app.login('alice');
    const console = await ConsolePage.signedIn(browser, originOf(app));
    const { page, dialog } = console;
    await console.openUser('alice');
    await page.getByRole('button', { name: 'Ban…' }).click();
    await dialog.getByText('A ban from a service ends nothing: only that service is refused.').waitFor();
    await dialog.getByRole('textbox', { name: /^Service/ }).fill('comment');
    await dialog.getByRole('button', { name: 'Ban', exact: true }).click();
    await console.toast('Banned from comment');
    await page.locator('.user-title .badge').getByText('Banned from comment', { exact: true }).waitFor();
    expect((await app.get('/me', accessToken)).status).toBe(200);
    await console.row('comment').getByRole('button', { name: 'Lift' }).click();
    await dialog.getByText('alice may use comment again.').waitFor();
    await dialog.getByRole('button', { name: 'Lift' }).click();
    await page.getByText('This account is not banned.').waitFor();
  });

  it('shows every device, and kicks all of them', async () => {
    const devices = ['phone', 'laptop', 'tablet'];
    const logins = await Promise.all(
      devices.map((deviceType) => app.login('user1', { deviceType, deviceName: `A ${deviceType}` })),
    );
    const console = await ConsolePage.signedIn(browser, originOf(app));
    await console.openUser('user1');
    for (const type of devices) await console.row(`A ${type}`).first().waitFor();
    await console.page.getByRole('button', { name: 'Kick all devices…' }).click();
    await console.dialog.getByRole('button', { name: 'End 3 sessions' }).click();
    await console.toast('3 sessions ended.');
    const answers = await Promise.all(logins.map(({ accessToken }) => app.get('/me', accessToken)));
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401]);
    const bars = console.page
      .getByRole('region', { name: 'Sessions over time' })
      .getByRole('button', { name: /Kicked/ });
    await until(async () => (await bars.count()) >= 3);
    await bars.first().click();
    await console.page.getByText('Ended because').last().waitFor();
  });
});

describe('what happened', () => {
  it('is listed, filtered by type and user, and new events are offered', async () => {
    await app.post('/auth/login', { username: 'alice', password: 'wrong' });
    await app.login('alice', { deviceName: 'Event phone' });
    const console = await ConsolePage.signedIn(browser, originOf(app));
    await console.go('Events');
    await console.row('Event phone').first().waitFor();
    await console.page.getByLabel('Type').selectOption({ label: 'Sign-in failed' });
    await console.row('Sign-in failed').first().waitFor();
    await until(async () => (await console.rows.count()) === (await console.row('Sign-in failed').count()));
    await console.page.getByRole('button', { name: 'Remove filter Type: Sign-in failed' }).waitFor();
    await console.page.getByRole('button', { name: 'Clear filters' }).click();
    expect(await console.page.getByLabel('Type').inputValue()).toBe('');
    await console.setFilter('Address', '127.0.0.0/8');
    await console.page.getByText('Events are found by one address and by no network.').waitFor();
    expect(await console.page.getByText('No event matches.').count()).toBe(0);
    await console.setFilter('Address', '127.0.0.1');
    await console.setFilter('User id', 'admin');
    await console.row('admin').first().waitFor();
    await until(async () => (await console.row('alice').count()) === 0);
    const admin = await app.login('admin');
    await console.page.getByRole('button', { name: /new events? — show/ }).click();
    await app.post('/auth/logout', undefined, admin.accessToken);
  });

  it('tells which session used an address, and where failed logins come from', async () => {
    await app.post('/auth/login', { username: 'alice', password: 'wrong' });
    await app.login('alice', { deviceName: 'Seen phone' });
    const operator = await app.login('admin');
    const seen = () => app.get('/admin/sightings?userId=alice', operator.accessToken);
    await until(async () => (await seen()).text.includes('Seen phone'), 30_000); // they are written in batches
    const console = await ConsolePage.signedIn(browser, originOf(app));
    await console.go('Addresses');
    await console.page.getByLabel('Address', { exact: true }).fill('127.0.0.0/8');
    await console.page.getByRole('button', { name: 'Look up' }).click();
    await console.row('Seen phone').first().waitFor();
    await console.page.getByRole('heading', { name: 'Failed sign-ins by address' }).waitFor();
    await console.row('127.0.0.1').last().waitFor();
  });
});
