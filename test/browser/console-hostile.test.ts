import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { type TestDatabase, kindsOf } from '../support/databases.js';
import { SampleApps, type SampleApp, until } from '../sample-app/sample-app.js';
import { originOf, useBrowser } from './browser.js';
import { ConsolePage } from './console.js';

// A102: what clients say of themselves is text for those who look at it, whatever it is made of.
const attack = (mark: string) =>
  `"'><img src=x onerror=window.__xss='${mark}'><script>window.__xss='${mark}'</script>{{7*7}}`;
const USER = `${attack('user')}`;
const DEVICE = attack('device');
const AGENT = attack('agent');

const browser = useBrowser();
const apps = new SampleApps();
let database: TestDatabase;
let app: SampleApp;
let console: ConsolePage;

beforeAll(async () => {
  database = await kindsOf('postgres')[0]!.create();
  app = await apps.start({ DATABASE_URL: database.url, SESSION_POLICY: 'multi' });
  await addUser(database, USER);
});
afterAll(async () => {
  await apps.close();
  await database.drop();
});

/** With the password of alice. */
async function addUser({ options }: TestDatabase, username: string): Promise<void> {
  const source = await new DataSource(options).initialize();
  await source.query(
    `INSERT INTO app_user (username, role, password_hash)
     SELECT $1, '', password_hash FROM app_user WHERE username = 'alice'`,
    [username],
  );
  await source.destroy();
}

const logIn = () =>
  app.send('POST', '/auth/login', {
    headers: { 'user-agent': AGENT },
    body: { username: USER, password: 'alice-password', deviceType: 'phone', deviceName: DEVICE, deviceId: DEVICE },
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

it('shows hostile names as text in every view', async () => {
  const first = await logIn();
  await app.post('/auth/login', { username: USER, password: 'wrong' });
  expect(first.status).toBe(200);
  const second = await logIn();
  console = await ConsolePage.signedIn(browser, originOf(app));
  await console.go('Online');
  for (const text of [USER, DEVICE, AGENT]) await shows(text);
  await nothingRan();

  await console.search.fill(USER.slice(0, 20));
  await console.finds(2);
  await console.row(USER).first().waitFor();
  await console.page.getByLabel('Group by user').check();
  await shows(USER);
  await nothingRan();

  const operator = await app.login('admin');
  await app.delete(
    `/admin/sessions/${first.body.sessionId}?reason=${encodeURIComponent(attack('reason'))}`,
    operator.accessToken,
  );
  await console.openUser(USER);
  for (const text of [USER, DEVICE]) await shows(text);
  await nothingRan();

  await console.go('Events');
  for (const text of [USER, DEVICE]) await shows(text);
  await nothingRan();

  await console.go('Overview');
  await console.page.getByRole('button', { name: 'By user' }).click();
  await shows(USER); // among the failed logins
  await nothingRan();
  expect((await app.get('/me', second.body.accessToken)).status).toBe(200);
});
