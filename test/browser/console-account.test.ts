import { afterAll, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { type SampleApp, refusal, until } from '../sample-app/sample-app.js';
import { type TestDatabase, createSqlite } from '../support/databases.js';
import { useBrowserWith } from './browser.js';
import { ConsolePage } from './console.js';
import { Device } from './device.js';
import { startNginx } from '../../tools/servers/nginx.mjs';
import { ENDED } from './recorder.js';

const attack = (mark: string) =>
  `"'><img src=x onerror=window.__xss='${mark}'><script>window.__xss='${mark}'</script>{{7*7}}`;
const [HOSTILE, DEVICE, AGENT] = [attack('user'), attack('device'), attack('agent')];

let database: TestDatabase;
let app: SampleApp;
const browser = useBrowserWith(
  async () => {
    database = await createSqlite();
    return { DATABASE_URL: database.url, SEED_USERS: '2', SESSION_POLICY: 'multi' };
  },
  (started) => {
    app = started;
    return addUser(HOSTILE);
  },
);
afterAll(() => database.drop());

/** With the password of alice. */
async function addUser(username: string): Promise<void> {
  const source = await new DataSource(database.options).initialize();
  await source.query(
    `INSERT INTO app_user (username, role, password_hash)
     SELECT ?, '', password_hash FROM app_user WHERE username = 'alice'`,
    [username],
  );
  await source.destroy();
}

it('works behind a proxy that strips a path, with and without a slash at the end', async () => {
  const nginx = await startNginx(
    (port) => `server {
      listen 127.0.0.1:${port};
      proxy_buffering off;
      location /ops/ { proxy_pass http://127.0.0.1:${app.port}/; }
      location /auth/ { proxy_pass http://127.0.0.1:${app.port}; }
    }`,
  );
  try {
    const page = await browser.open('/ops/admin', { baseURL: nginx.url });
    const console = new ConsolePage(page);
    await console.signIn();
    await console.go('Online');
    await console.rows.first().waitFor();
    await page.goto('/ops/admin/');
    await console.isLive();
    await page.close();
  } finally {
    await nginx.stop();
  }
});

describe('the sign-in', () => {
  it('tells a user without rights so, and lets an operator in', async () => {
    browser.recorder.expect(/status of 403/);
    const console = await ConsolePage.open(browser);
    const { page } = console;
    await console.trySignIn('alice', 'alice-password');
    await page.getByRole('alert').getByText('This account may not use the console.').waitFor();
    await console.signIn();
    await page.getByTitle('Signed in as admin').waitFor();
  });

  it('says that a password is wrong', async () => {
    browser.recorder.expect(/status of 401/);
    const console = await ConsolePage.open(browser);
    await console.trySignIn('admin', 'wrong');
    await console.page
      .getByRole('alert')
      .getByText(/^The sign-in failed: /)
      .waitFor();
  });

  it('tells the operator whose own session ends', async () => {
    browser.recorder.expect(ENDED);
    const { page } = await ConsolePage.signedIn(browser);
    const other = await app.login('admin');
    await app.post('/auth/logout-others', undefined, other.accessToken);
    await page.getByRole('alert').getByText('You were signed out').waitFor();
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
  });
});

describe('an account', () => {
  it('is kicked from the console, and its own window says so', async () => {
    browser.recorder.expect(ENDED);
    const userPage = await browser.open('/');
    const phone = new Device(userPage, 'phone');
    await phone.signIn('alice', 'Phone of Alice');

    const console = await ConsolePage.signedIn(browser);
    await console.go('Online');
    await console.search.fill('alice');
    await console.row('Phone of Alice').getByRole('link', { name: 'alice' }).click();
    await console.settled('user');
    await console.row('Phone of Alice').getByRole('button', { name: 'Kick the session of alice' }).click();
    await console.confirm('Lost phone', 'End 1 session');
    await phone.says('ended');
    expect(await phone.notice.innerText()).toMatch(/^Ended by an administrator at /);
    const past = console.row('Phone of Alice').filter({ hasText: 'by admin' }); // without a reload
    await past.getByText('Lost phone').waitFor();
    await console.page.goto('/admin#/events?type=SESSION_ENDED&userId=alice');
    await console.row('Lost phone').first().waitFor();
  });

  it('is banned, which ends its sessions and refuses its logins, until the ban is lifted', async () => {
    browser.recorder.expect(ENDED);
    const userPage = await browser.open('/');
    const laptop = new Device(userPage, 'laptop');
    await laptop.signIn('bob');
    const console = await ConsolePage.signedIn(browser);
    const { page, dialog } = console;
    await console.openUser('bob');
    await page.getByText('This account is not banned.').waitFor();
    await page.getByRole('button', { name: 'Ban…' }).click();
    await console.confirm('spam', 'Ban');
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
    const console = await ConsolePage.signedIn(browser);
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
    const console = await ConsolePage.signedIn(browser);
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

describe('everybody', () => {
  it('is thrown out once the words were typed, the operator as well, who is told so before', async () => {
    browser.recorder.expect(ENDED);
    const { accessToken } = await app.login('user1');
    const console = await ConsolePage.signedIn(browser);
    const { page, dialog } = console;
    await console.go('Online');
    await page.getByRole('button', { name: 'End everything…' }).click();
    await dialog.getByText('yours included').waitFor();
    await dialog.getByLabel('Type end everything to go on').fill('end');
    await console.confirm('breach', 'End all sessions');
    // The browser does not send it.
    expect(await dialog.locator('input:invalid').count()).toBe(1);
    expect((await app.get('/me', accessToken)).status).toBe(200);
    await dialog.getByLabel('Type end everything to go on').fill('end everything');
    await dialog.getByRole('button', { name: 'End all sessions' }).click();
    await console.toast('All sessions were ended.');
    await page.getByText('You were signed out · Kicked').waitFor();
    expect(await app.get('/me', accessToken)).toMatchObject(refusal(401, 'SESSION_KICKED'));
    await console.signIn();
    await console.go('Events');
    await console.row('Everything ended').getByText('breach', { exact: true }).waitFor();
  });
});

describe('what happened', () => {
  it('is listed, filtered by type and user, and new events are offered', async () => {
    await app.post('/auth/login', { username: 'alice', password: 'wrong' });
    await app.login('alice', { deviceName: 'Event phone' });
    const console = await ConsolePage.signedIn(browser);
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
    const console = await ConsolePage.signedIn(browser);
    await console.go('Addresses');
    await console.page.getByLabel('Address', { exact: true }).fill('127.0.0.0/8');
    await console.page.getByRole('button', { name: 'Look up' }).click();
    await console.row('Seen phone').first().waitFor();
    await console.page.getByRole('heading', { name: 'Failed sign-ins by address' }).waitFor();
    await console.row('127.0.0.1').last().waitFor();
  });
});

// A102: what clients say of themselves is text for those who look at it, whatever it is made of.
describe('names that clients made to do harm', () => {
  let console: ConsolePage;
  const logIn = (deviceId: string) =>
    app.send('POST', '/auth/login', {
      headers: { 'user-agent': AGENT },
      body: { username: HOSTILE, password: 'alice-password', deviceType: 'phone', deviceName: DEVICE, deviceId },
    });

  /** The text stands in the page, or in the title of an element, as it was sent. */
  async function shows(text: string): Promise<void> {
    await until(() =>
      console.page.evaluate<boolean>(
        `document.body.innerText.includes(${JSON.stringify(text)}) ||
       [...document.querySelectorAll('[title]')].some(({ title }) => title.includes(${JSON.stringify(text)}))`,
      ),
    );
  }

  async function nothingRan(): Promise<void> {
    expect(await console.page.evaluate('typeof window.__xss')).toBe('undefined');
    expect(await console.page.locator('img[src="x"], main script').count()).toBe(0);
  }

  it('A102: are shown as text in every view', async () => {
    const first = await logIn(DEVICE);
    await app.post('/auth/login', { username: HOSTILE, password: 'wrong' });
    expect(first.status).toBe(200);
    const second = await logIn(attack('other'));
    console = await ConsolePage.signedIn(browser);
    await console.go('Online');
    for (const text of [HOSTILE, DEVICE, AGENT]) await shows(text);
    await nothingRan();

    await console.search.fill(HOSTILE.slice(0, 20));
    await console.finds(2);
    await console.row(HOSTILE).first().waitFor();
    await console.page.getByLabel('Group by user').check();
    await shows(HOSTILE);
    await nothingRan();

    const operator = await app.login('admin');
    await app.delete(
      `/admin/sessions/${first.body.sessionId}?reason=${encodeURIComponent(attack('reason'))}`,
      operator.accessToken,
    );
    await console.openUser(HOSTILE);
    for (const text of [HOSTILE, DEVICE]) await shows(text);
    await nothingRan();

    await console.go('Events');
    for (const text of [HOSTILE, DEVICE]) await shows(text);
    await nothingRan();

    await console.go('Overview');
    await console.page.getByRole('button', { name: 'By user' }).click();
    await shows(HOSTILE); // among the failed logins
    await nothingRan();
    expect((await app.get('/me', second.body.accessToken)).status).toBe(200);
  });
});

/** Refuses what a mouse does, from the first moment of the page. */
const NO_MOUSE = `for (const type of ['pointerdown', 'mousedown', 'touchstart'])
  addEventListener(type, () => console.error('a mouse was used'), true);`;

it('is operated without a mouse: signs in, finds a session, opens its user and kicks it', async () => {
  const phone = await app.login('user2', { deviceType: 'phone', deviceName: 'Phone of two' });
  const laptop = await app.login('user2', { deviceType: 'laptop', deviceName: 'Laptop of two' });
  const context = await browser.context();
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
  await keyboard.type('user2');
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
  await page.getByText('Phone of two').first().waitFor();
  await page.getByText('Laptop of two').first().waitFor();

  const row = console.row('Phone of two').first();
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
