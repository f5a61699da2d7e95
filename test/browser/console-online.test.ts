import { beforeEach, describe, expect, it } from '@jest/globals';
import { type SampleApp, until } from '../sample-app/sample-app.js';
import { useBrowserWith } from './browser.js';
import { ConsolePage, logInMany } from './console.js';

const USERS = 120;
const PER_PAGE = 50;

/** Notes how many sessions the bar of the dialog is about, even if it is there for a moment only. */
const NOTE_PROGRESS = `new MutationObserver(() => {
  window.progressOf = document.querySelector('dialog progress')?.max ?? window.progressOf;
}).observe(document.body, { childList: true, subtree: true, attributes: true })`;

let app: SampleApp;
const browser = useBrowserWith({ SEED_USERS: String(USERS), SESSION_POLICY: 'multi' }, (started) => {
  app = started;
  return logInMany(app, USERS);
});

describe('the list of live sessions', () => {
  let console: ConsolePage;
  beforeEach(async () => {
    console = await ConsolePage.signedIn(browser);
    await console.go('Online');
  });

  it('searches as one types, by user and by device', async () => {
    await console.search.pressSequentially('user11');
    await console.finds(11);
    expect((await console.users()).sort()).toEqual(
      ['user11', ...Array.from({ length: 10 }, (_, index) => `user11${index}`)].sort(),
    );
    await console.search.fill('DEVICE 42');
    await console.finds(1);
    expect(await console.users()).toEqual(['user42']);
    await console.search.fill('nobody');
    await console.page.getByText('No live session matches.').waitFor();
    expect(await console.rows.count()).toBe(0);
  });

  it('keeps what is chosen before a pause in typing ends', async () => {
    await console.page.evaluate(
      `{
        const input = document.querySelector('[data-search]');
        input.value = 'user11';
        input.dispatchEvent(new Event('input', { bubbles: true }));
        document.querySelector('.toolbar input[type="checkbox"]').click();
      }`,
    );
    await until(() => Promise.resolve(/[?&]q=user11(&|$)/.test(console.page.url())));
    expect(console.page.url()).toMatch(/[?&]group=user(&|$)/);
    expect(await console.page.getByLabel('Group by user').isChecked()).toBe(true);
  });

  it('takes filters together, names them, and keeps them in the address', async () => {
    await console.setFilter('Device type', 'phone');
    await console.finds(USERS / 4);
    await console.search.fill('user1');
    await console.finds(8); // 12, 16, 100, 104, 108, 112, 116, 120
    expect(console.page.url()).toMatch(/#\/online\?.*deviceType=phone/);
    await console.page.reload();
    await console.finds(8);
    await console.page.getByRole('button', { name: 'Remove filter Device type' }).click();
    await console.search.fill('device');
    await console.finds(USERS, PER_PAGE);
    await console.setFilter('Address', '203.0.113.0/24');
    await console.page.getByText('No live session matches.').waitFor();
    await console.setFilter('Address', '127.0.0.0/8');
    await console.finds(USERS, PER_PAGE);
    await console.page.goBack();
    await console.page.getByText('No live session matches.').waitFor();
  });

  it('turns pages forward and back', async () => {
    await console.page.getByRole('button', { name: 'User', exact: true }).click();
    await until(async () => (await console.users())[0] === 'admin');
    const first = await console.users();
    const turn = async (name: 'Next' | 'Previous', before: readonly string[]) => {
      await console.page.getByRole('button', { name }).click();
      await until(async () => {
        const [top] = await console.users();
        return top !== undefined && top !== before[0];
      });
      return console.users();
    };
    const second = await turn('Next', first);
    const third = await turn('Next', second);
    expect(await console.page.getByRole('button', { name: 'Next' }).isDisabled()).toBe(true);
    const all = [...first, ...second, ...third].filter((name) => name !== 'admin');
    expect(all).toHaveLength(USERS);
    expect(new Set(all).size).toBe(USERS);
    expect(await turn('Previous', third)).toEqual(second);
    expect(await turn('Previous', second)).toEqual(first);
  });

  it('groups by user', async () => {
    await app.login('user7', { deviceType: 'watch' });
    await console.page.getByLabel('Group by user').check();
    await console.search.fill('user7');
    await console.user('user7').getByText('watch').waitFor();
    await console.user('user70').waitFor();
  });

  it('keeps every filter when it groups by user, and counts what they find', async () => {
    await console.setFilter('Device type', 'phone');
    await console.search.fill('user1');
    await console.finds(8);
    await console.page.getByLabel('Group by user').check();
    await until(async () => (await console.page.locator('main [aria-busy="true"]').count()) === 0);
    await until(async () => (await console.rows.count()) === 8);
    await console.page.getByRole('button', { name: 'Remove filter Device type: phone' }).waitFor();
    await console.page.getByRole('button', { name: 'Clear filters' }).click();
    await until(async () => (await console.rows.count()) === PER_PAGE);
    expect([await console.search.inputValue(), new URL(console.page.url()).hash]).toEqual(['', '#/online?group=user']);
  });

  it('shows nothing of what was found before when a filter is refused', async () => {
    browser.recorder.expect(/status of 400/);
    await console.search.fill('user11');
    await console.finds(11);
    await console.setFilter('Address', 'nowhere');
    await console.page.getByRole('alert').getByText('That did not work: ip must be').waitFor();
    expect(await console.rows.count()).toBe(0);
    await console.page.getByRole('button', { name: 'Remove filter Address' }).click();
    await console.finds(11);
  });
});

describe('ends', () => {
  it('kicks one, and the row says so where it stands', async () => {
    const console = await ConsolePage.signedIn(browser);
    const victim = await app.login('bob', { deviceType: 'phone', deviceName: 'Phone of Bob' });
    await console.go('Online');
    await console.search.fill('bob');
    await console.finds(1);
    await console.page.getByRole('button', { name: 'Kick the session of bob' }).click();
    await console.dialog.getByText('This ends 1 session.').waitFor();
    await console.dialog.getByText('bob · Phone of Bob').waitFor();
    await console.dialog.getByText('The user is told only that an administrator ended the session.').waitFor();
    await console.confirm('lost phone', 'End 1 session');
    await console.toast('1 session ended.');
    await console.row('bob').getByText('Kicked').waitFor();
    expect(await app.get('/me', victim.accessToken)).toMatchObject({
      status: 401,
      body: { errorCode: 'SESSION_KICKED' },
    });
  });

  it('kicks a selection from two pages', async () => {
    const console = await ConsolePage.signedIn(browser);
    await console.go('Online');
    await console.search.fill('device');
    await console.finds(USERS, PER_PAGE);
    const pick = async (user: string) => {
      await console.user(user).waitFor();
      await console.page.getByLabel(`Select the session of ${user}`, { exact: true }).check();
    };
    await console.page.getByRole('button', { name: 'User', exact: true }).click();
    await pick('user1'); // in the order of letters
    await console.page.getByRole('button', { name: 'Next' }).click();
    await pick('user60');
    await console.page.getByText('2 selected').waitFor();
    await console.page.getByRole('button', { name: 'Kick…' }).click();
    await console.dialog.getByRole('button', { name: 'End 2 sessions' }).click();
    await console.toast('2 sessions ended.');
    await console.user('user60').getByText('Kicked').waitFor();
    await console.search.fill('user1');
    await console.user('user10').waitFor();
    expect(await console.user('user1').count()).toBe(0);
  });

  it('kicks all that match, more than a page, with progress', async () => {
    const operator = await app.login('admin');
    const console = await ConsolePage.signedIn(browser);
    await console.go('Online');
    await console.search.fill('Device');
    const { total } = (await app.get('/admin/online-users?q=device&limit=1', operator.accessToken)).body;
    expect(total).toBeGreaterThan(PER_PAGE);
    await console.finds(total, PER_PAGE);
    await console.page.getByLabel('Select all on this page').check();
    await console.page.getByText(`${PER_PAGE} selected`).waitFor();
    await console.page.getByRole('button', { name: `Select all ${total} that match` }).click();
    await console.page.getByRole('button', { name: 'Kick…' }).click();
    await console.dialog.getByText(`This ends ${total} sessions.`).waitFor();
    await console.dialog.getByText('Search: Device').waitFor();
    await console.page.evaluate(NOTE_PROGRESS);
    const end = console.dialog.getByRole('button', { name: `End ${total} sessions` });
    const number = console.dialog.getByLabel(`Type ${total} to end so many`);
    for (const typed of ['', '100', `${total}0`]) {
      await number.fill(typed);
      expect([typed, await end.isDisabled()]).toEqual([typed, true]);
    }
    await number.fill(String(total));
    await end.click();
    // Not without a reason.
    expect(await console.focused()).toMatch(/^Reason/);
    await console.page.keyboard.type('all of them');
    await end.click();
    await console.toast(`${total} sessions ended.`);
    expect(await console.page.evaluate('window.progressOf')).toBe(total);
    await console.page.getByRole('button', { name: 'The list has changed — refresh' }).click();
    await console.page.getByText('No live session matches.').waitFor();
    expect((await app.get('/me', operator.accessToken)).status).toBe(200);
  });

  it('leaves out the session of the operator', async () => {
    const console = await ConsolePage.signedIn(browser);
    await app.login('bob', { deviceType: 'console' });
    await console.go('Online');
    await console.setFilter('Device type', 'console');
    await console.row('bob').waitFor();
    const own = console.row('this session');
    expect(await own.getByRole('checkbox').isDisabled()).toBe(true);
    expect(await own.getByRole('button', { name: /Kick/ }).count()).toBe(0);
    await console.page.getByLabel('Select all on this page').check();
    await console.page.getByRole('button', { name: 'Kick…' }).click();
    await console.dialog.getByRole('button', { name: /^End \d+ sessions?$/ }).click();
    await console.toast(/sessions? ended\./);
    await console.row('bob').getByText('Kicked').waitFor();
    await console.go('Events'); // with a session that lives
  });
});
