import type { BrowserContextOptions, Locator, Page } from 'playwright-core';
import { type SampleApp, until } from '../sample-app/sample-app.js';
import type { TestBrowser } from './browser.js';

export type Section = 'Overview' | 'Online' | 'Events' | 'Addresses';

/** The administrators' page, by the names that its readers see. */
export class ConsolePage {
  readonly rows: Locator;
  readonly search: Locator;
  readonly dialog: Locator;

  constructor(readonly page: Page) {
    this.rows = page.locator('main tbody tr');
    this.search = page.getByRole('searchbox', { name: 'Search user, device or address' });
    this.dialog = page.getByRole('dialog');
  }

  static async open(browser: TestBrowser, options?: BrowserContextOptions): Promise<ConsolePage> {
    return new ConsolePage(await browser.open('/admin', options));
  }

  static async signedIn(browser: TestBrowser, options?: BrowserContextOptions): Promise<ConsolePage> {
    const console = await ConsolePage.open(browser, options);
    await console.signIn();
    return console;
  }

  async signIn(): Promise<void> {
    await this.trySignIn('admin', 'admin-password');
    await this.isLive();
  }

  async trySignIn(username: string, password: string): Promise<void> {
    await this.page.getByLabel('User name').fill(username);
    await this.page.getByLabel('Password').fill(password);
    await this.page.getByRole('button', { name: 'Sign in' }).click();
  }

  /** What happens from now on is shown. */
  async isLive(): Promise<void> {
    await this.page.locator('.live.live').waitFor();
  }

  async go(section: Section): Promise<void> {
    await this.page.getByRole('navigation').getByRole('link', { name: section }).click();
    await this.settled(section.toLowerCase());
  }

  async openUser(userId: string): Promise<void> {
    await this.page.goto(`/admin#/user/${encodeURIComponent(userId)}`);
    await this.settled('user');
  }

  /** Waits until a view is there and nothing of it is on its way. */
  async settled(view: string): Promise<void> {
    const main = this.page.locator(`main[data-view="${view}"]`);
    await main.waitFor();
    await until(async () => (await main.locator('.skeleton, [aria-busy="true"]').count()) === 0);
  }

  /** The row of a user in a list of users. */
  user(name: string): Locator {
    return this.rows.filter({ has: this.page.locator('.who-name').getByText(name, { exact: true }) });
  }

  row(text: string | RegExp): Locator {
    return this.rows.filter({ hasText: text });
  }

  async confirm(reason: string, button: string): Promise<void> {
    await this.dialog.getByLabel('Reason').fill(reason);
    await this.dialog.getByRole('button', { name: button, exact: true }).click();
  }

  /** Waits until the list says how many it finds, and shows so many of them. */
  async finds(total: number, shown = total): Promise<void> {
    const count = this.page
      .locator('.list-head')
      .getByText(`${total} session${total === 1 ? '' : 's'}`, { exact: true });
    await count.waitFor();
    await until(async () => (await this.rows.count()) === shown && (await this.busy()) === 0);
  }

  private busy(): Promise<number> {
    return this.page.locator('main [aria-busy="true"]').count();
  }

  /** What the first column says, from top to bottom. */
  users(): Promise<string[]> {
    return this.rows.locator('.who-name').allInnerTexts();
  }

  async setFilter(label: string, value: string): Promise<void> {
    const input = this.page.getByLabel(label, { exact: true });
    if (!(await input.isVisible())) await this.page.getByText('More filters').click();
    await input.fill(value);
    await input.press('Enter');
  }

  /** Waits for a message of success or failure. */
  async toast(text: string | RegExp): Promise<void> {
    await this.page.locator('.toast').filter({ hasText: text }).waitFor();
  }

  /** Words in tables that are broken between two lines. */
  brokenWords(): Promise<string[]> {
    return this.page.evaluate<string[]>(`[...document.querySelectorAll('main td')].flatMap((cell) => {
      const broken = [];
      const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
      for (let text = texts.nextNode(); text; text = texts.nextNode()) {
        if (text.parentElement.closest('details:not([open]) > :not(summary)')) continue;
        for (const { 0: word, index } of text.data.matchAll(/[\\p{Script=Latin}\\d._@]{2,30}/gu)) {
          const range = new Range();
          range.setStart(text, index);
          range.setEnd(text, index + word.length);
          if (new Set([...range.getClientRects()].map(({ top }) => top)).size > 1) broken.push(word);
        }
      }
      return broken;
    })`);
  }

  /** Buttons in tables that are beside the window. */
  hiddenActions(): Promise<string[]> {
    return this.page.evaluate<string[]>(`[...document.querySelectorAll('main td button')]
      .filter((button) => button.getBoundingClientRect().right > innerWidth)
      .map((button) => button.innerText)`);
  }

  /** The label of the input that has the focus. */
  focused(): Promise<string> {
    return this.page.evaluate<string>('document.activeElement.closest("label")?.innerText ?? ""');
  }

  /** How far the page reaches over the right edge of the window, in pixels. */
  overflow(): Promise<number> {
    return this.page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth');
  }
}

/** Sessions of the seeded users, `user1` to `user<count>`, on devices of four types. */
export async function logInMany(app: SampleApp, count: number): Promise<void> {
  const types = ['phone', 'laptop', 'tablet', 'desktop'];
  for (let from = 1; from <= count; from += 8) {
    const batch = Array.from({ length: Math.min(8, count - from + 1) }, (_, index) => from + index);
    await Promise.all(batch.map((n) => app.login(`user${n}`, { deviceType: types[n % 4], deviceName: `Device ${n}` })));
  }
}
