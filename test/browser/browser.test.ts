import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { seriousProblems } from './axe.js';
import { drawn, useBrowser } from './browser.js';

// What the other tests rely on: a page that misbehaves is told on.
const browser = useBrowser();
let server: Server;
let body = '';

beforeAll(async () => {
  server = createServer((request, response) => {
    const found = request.url === '/';
    response.writeHead(found ? 200 : 404, {
      'content-type': 'text/html',
      'content-security-policy': "default-src 'self'; img-src *; script-src 'self' 'nonce-1'",
    });
    response.end(found ? `<!doctype html><html lang="en"><title>Page</title><main>${body}</main>` : '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  browser.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

const open = async (html: string) => {
  body = html;
  const page = await browser.open('/');
  await drawn(page);
  return page;
};

describe('the recorder', () => {
  it.each([
    ['an error in the console', '<script nonce="1">console.error("oops")</script>', /^console: oops/],
    ['an error that nobody catches', '<script nonce="1">null.x</script>', /^not caught: TypeError/],
    [
      'a promise that nobody catches',
      '<script nonce="1">Promise.reject(new Error("late"))</script>',
      /^not caught: .*late/,
    ],
    ['a script in the page', '<img src="data:," alt="" onerror="1">', /policy violated: script-src-attr/],
    ['a style in the page', '<p style="color: red">red</p>', /policy violated: style-src-attr by inline/],
    ['a request to another origin', '<img src="http://127.0.0.2:9/x.png" alt="">', /^foreign: http:\/\/127\.0\.0\.2:9/],
    ['an answer with 4xx', '<img src="/none" alt="">', /^console: .*404/],
  ])('tells of %s', async (_, html, expected) => {
    await open(html);
    expect(browser.recorder.takeComplaints()).toContainEqual(expect.stringMatching(expected));
  });

  it('keeps to itself what a test expects', async () => {
    browser.recorder.expect(/404/);
    await open('<img src="/none" alt="">');
    expect(browser.recorder.takeComplaints()).toEqual([]);
  });
});

it('axe finds what is serious', async () => {
  expect(await seriousProblems(await open('<h1>Fine</h1>'))).toEqual([]);
  const problems = await seriousProblems(await open('<h1>Not fine</h1><input><img src="/">'));
  expect(problems.map((text) => text.split(':')[0]).sort()).toEqual(['image-alt', 'label']);
});
