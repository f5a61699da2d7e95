import { afterAll, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { startChromium } from '../../tools/servers/chromium.mjs';

const directory = mkdtempSync(join(tmpdir(), 'session-test-'));
afterAll(() => rmSync(directory, { recursive: true }));

it('starts a browser that reaches this machine only, has letters of every kind, and leaves nothing', async () => {
  const { url, version, stop } = await startChromium();
  const browser = await chromium.connect(url);
  const gone = new Promise((resolve) => browser.once('disconnected', resolve));
  try {
    expect(version).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
    const page = await browser.newPage();
    await page.setContent('<span id="a">iii</span> <span id="b">mmm</span> <span id="c">在线用户</span>');
    const widths = await page.$$eval('span', (spans) => spans.map((span) => span.getBoundingClientRect().width));
    expect(widths[0]).toBeLessThan(widths[1]!); // boxes are all of one width
    expect(widths[2]).toBeGreaterThan(50);
    await expect(page.goto('http://example.com/')).rejects.toThrow('ERR_NAME_NOT_RESOLVED');
  } finally {
    await stop();
  }
  await gone;
  await stop();
}, 600_000);

it('takes the program that is named and no other', async () => {
  const start = (env: NodeJS.ProcessEnv) => startChromium({ env: { ...process.env, ...env } });
  await expect(start({ TEST_CHROMIUM_BIN: directory })).rejects.toThrow(
    /^No Chromium could be started for the tests\. Tried:\n- TEST_CHROMIUM_BIN=.*no directory that holds chromium/,
  );
  await expect(start({ TEST_CHROMIUM_BIN: process.execPath })).rejects.toThrow(/- TEST_CHROMIUM_BIN=/);
});
