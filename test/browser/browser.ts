import { afterAll, afterEach, beforeAll, expect } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContext, type BrowserContextOptions, type Page, chromium } from 'playwright-core';
import { type SampleApp, SampleApps, type Variables } from '../sample-app/sample-app.js';
import { serverUrl } from '../support/servers.js';
import { Recorder } from './recorder.js';

/** A machine without Chromium downloads and unpacks it first. */
const START_DEADLINE_MS = 600_000;
const ACTION_DEADLINE_MS = 15_000;
const LARGEST_IMAGE_BYTES = 200_000;
const IMAGES = fileURLToPath(new URL('../../docs/images/', import.meta.url));

export const DESKTOP = { width: 1280, height: 800 };
export const PHONE = { width: 390, height: 844 };

/** Connects to the browser of the test run. A test begins without contexts, and fails for what Recorder notes. */
export class TestBrowser {
  readonly recorder = new Recorder();
  /** Where pages come from unless a test names another `baseURL`. */
  origin = '';
  private browser!: Browser;
  private contexts: BrowserContext[] = [];
  private images = '';

  async start(): Promise<void> {
    this.browser = await chromium.connect(await serverUrl('Chromium'));
    const update = process.env.UPDATE_SCREENSHOTS === '1';
    this.images = update ? IMAGES : mkdtempSync(join(tmpdir(), 'session-test-images-'));
    if (update) mkdirSync(IMAGES, { recursive: true });
  }

  /** A person's browser: storage of its own, shared by its pages. Its pages may talk to the origin and to no other. */
  async context({ baseURL = this.origin, ...options }: BrowserContextOptions = {}): Promise<BrowserContext> {
    const context = await this.browser.newContext({
      baseURL,
      viewport: DESKTOP,
      locale: 'en-US',
      timezoneId: 'UTC',
      reducedMotion: 'reduce',
      ...options,
    });
    this.contexts.push(context);
    context.setDefaultTimeout(ACTION_DEADLINE_MS);
    await this.recorder.watch(context, baseURL);
    return context;
  }

  /** A page in a context of its own. */
  async page(options?: BrowserContextOptions): Promise<Page> {
    return (await this.context(options)).newPage();
  }

  /** A page in a context of its own, at this path. */
  async open(path: string, options?: BrowserContextOptions): Promise<Page> {
    const page = await this.page(options);
    await page.goto(path);
    return page;
  }

  /** Into docs/images with UPDATE_SCREENSHOTS=1, otherwise into a directory that goes away. */
  async screenshot(page: Page, name: string): Promise<void> {
    const path = join(this.images, `${name}.png`);
    await page.mouse.move(0, 0); // off what changes under it
    await page.screenshot({ path, animations: 'disabled', caret: 'hide' });
    expect(statSync(path).size).toBeLessThan(LARGEST_IMAGE_BYTES);
  }

  async endTest(): Promise<void> {
    await Promise.all(this.contexts.map((context) => context.close()));
    this.contexts = [];
    expect(this.recorder.takeComplaints()).toEqual([]);
  }

  async close(): Promise<void> {
    await this.browser.close();
    if (this.images !== IMAGES) rmSync(this.images, { recursive: true, force: true });
  }
}

/** Waits until what follows of a change has been drawn. */
export async function drawn(page: Page): Promise<void> {
  await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
}

export function useBrowser(): TestBrowser {
  const browser = new TestBrowser();
  beforeAll(() => browser.start(), START_DEADLINE_MS);
  afterEach(() => browser.endTest());
  afterAll(() => browser.close());
  return browser;
}

/** The same with a sample application. @param begin is given the application once it listens */
export function useBrowserWith(
  variables: Variables | (() => Promise<Variables>),
  begin: (app: SampleApp) => unknown = () => undefined,
): TestBrowser {
  const browser = useBrowser();
  const apps = new SampleApps();
  beforeAll(async () => {
    const app = await apps.start(typeof variables === 'function' ? await variables() : variables);
    browser.origin = `http://127.0.0.1:${app.port}`;
    await begin(app);
  });
  afterAll(() => apps.close());
  return browser;
}
