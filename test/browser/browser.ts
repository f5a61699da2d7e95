import { afterAll, afterEach, beforeAll, expect } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { startChromium } from '../../tools/servers/chromium.mjs';
import type { SampleApp } from '../sample-app/sample-app.js';
import { Recorder } from './recorder.js';

/** A machine without Chromium downloads and unpacks it first. */
const START_DEADLINE_MS = 600_000;
const ACTION_DEADLINE_MS = 15_000;
const LARGEST_IMAGE_BYTES = 200_000;
const IMAGES = fileURLToPath(new URL('../../docs/images/', import.meta.url));

export const DESKTOP = { width: 1280, height: 800 };
export const PHONE = { width: 390, height: 844 };

export const originOf = ({ port }: Pick<SampleApp, 'port'>): string => `http://127.0.0.1:${port}`;

/** One browser for a test file. Every test begins without contexts, and fails for what its pages must not do (Recorder). */
export class TestBrowser {
  readonly recorder = new Recorder();
  private browser!: Browser;
  private stop = async () => {};
  private contexts: BrowserContext[] = [];
  private images = '';

  async start(): Promise<void> {
    const { browser, stop } = await startChromium();
    [this.browser, this.stop] = [browser, stop];
    const update = process.env.UPDATE_SCREENSHOTS === '1';
    this.images = update ? IMAGES : mkdtempSync(join(tmpdir(), 'session-test-images-'));
    if (update) mkdirSync(IMAGES, { recursive: true });
  }

  /** A person's browser: storage of its own, shared by its pages. Its pages may talk to the origin and to no other. */
  async context(origin: string, options: BrowserContextOptions = {}): Promise<BrowserContext> {
    const context = await this.browser.newContext({
      baseURL: origin,
      viewport: DESKTOP,
      locale: 'en-US',
      timezoneId: 'UTC',
      reducedMotion: 'reduce',
      ...options,
    });
    this.contexts.push(context);
    context.setDefaultTimeout(ACTION_DEADLINE_MS);
    await this.recorder.watch(context, origin);
    return context;
  }

  /** A page in a context of its own. */
  async page(origin: string, options: BrowserContextOptions = {}): Promise<Page> {
    return (await this.context(origin, options)).newPage();
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
    await this.stop();
    if (this.images !== IMAGES) rmSync(this.images, { recursive: true, force: true });
  }
}

/** Registers the hooks of a test file that uses a browser. */
export function useBrowser(): TestBrowser {
  const browser = new TestBrowser();
  beforeAll(() => browser.start(), START_DEADLINE_MS);
  afterEach(() => browser.endTest());
  afterAll(() => browser.close());
  return browser;
}
