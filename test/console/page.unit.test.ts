import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CONSOLE_CSP, consolePage } from 'lib/console.controller.js';

const routes = { login: '/auth/login', logout: '/auth/logout' };
const urls = { refresh: null, reauthenticate: null, ...routes };

const decode = (text: string): string =>
  text
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&amp;/g, '&');

/** Its elements with their attributes, as a browser reads a page whose attributes all stand in double quotes. */
const tags = (html: string): string[] => html.match(/<[^!>][^>]*>/g) ?? [];

describe('the page of the console', () => {
  it('finds its files beside itself, and tells its script which routes there are', () => {
    const html = consolePage('./admin', { ...routes, cookies: false });
    const content = /<meta name="session-console" content="([^"]*)">/.exec(html)![1]!;
    expect(JSON.parse(decode(content))).toEqual({ urls, title: 'Sessions', cookies: false });
    expect(html).toContain('<link rel="stylesheet" href="./admin/assets/console.css">');
    expect(html).toContain('<script type="module" src="./admin/assets/console.js"></script>');
    expect(html).toContain('<html lang="en">');
  });

  it('has the same elements whatever its texts contain, and says them unchanged', () => {
    const plain = consolePage('b', { ...routes, title: 't', cookies: false });
    const shape = (html: string): string[] => tags(html).map((tag) => tag.replace(/"[^"]*"/g, '""'));
    const hostile = fc.string({
      unit: fc.constantFrom('<', '>', '"', "'", '&', '/', '=', 'x', ' ', '</script>', '<!--', '&quot;'),
    });
    fc.assert(
      fc.property(hostile, hostile, hostile, (base, title, login) => {
        const html = consolePage(base, { ...routes, login, title, cookies: false });
        expect(shape(html)).toEqual(shape(plain));
        expect(decode(/<title>([^<]*)<\/title>/.exec(html)![1]!)).toBe(title);
        const content = /<meta name="session-console" content="([^"]*)">/.exec(html)![1]!;
        expect(JSON.parse(decode(content))).toEqual({ urls: { ...urls, login }, title, cookies: false });
      }),
    );
  });

  it('passes on nothing of the urls but what it names', () => {
    const more = { ...routes, cookies: false, secret: 'of-the-application' };
    expect(consolePage('./admin', more)).not.toContain('of-the-application');
  });

  it('needs no inline script, style or handler', () => {
    const html = consolePage('./admin', { ...routes, cookies: false });
    expect(html).not.toMatch(/<style|\sstyle=|\son\w+=|javascript:/i);
    expect(html.match(/<script[^>]*>[^<]*<\/script>/g)).toEqual([
      '<script type="module" src="./admin/assets/console.js"></script>',
    ]);
  });

  it('may run only scripts of its own server, and is framed by nobody', () => {
    expect(CONSOLE_CSP.split('; ')).toEqual([
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "img-src 'self' data: https:",
      "connect-src 'self'",
      "base-uri 'none'",
      "form-action 'self'",
      "frame-ancestors 'none'",
    ]);
  });
});
