import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { shortUserAgent } from 'lib/user-agent.js';

const WEBKIT = 'AppleWebKit/537.36 (KHTML, like Gecko)';
const WINDOWS = `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${WEBKIT}`;
const IPHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)';
const ANDROID = `Mozilla/5.0 (Linux; Android 15; Pixel 9) ${WEBKIT}`;
const MAC = 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)';

describe('the short name of a user agent', () => {
  it.each([
    [`${WINDOWS} Chrome/140.0.0.0 Safari/537.36`, 'Chrome 140 · Windows'],
    [`${WINDOWS} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0`, 'Edge 140 · Windows'],
    [`${WINDOWS} Chrome/139.0.0.0 Safari/537.36 OPR/124.0.0.0`, 'Opera 124 · Windows'],
    [`${ANDROID} Chrome/139.0.0.0 Mobile Safari/537.36`, 'Chrome 139 · Android'],
    [`${ANDROID} SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36`, 'Samsung Internet 28 · Android'],
    [`${ANDROID} Version/4.0 Chrome/130.0.0.0 Mobile Safari/537.36 MicroMessenger/8.0.50(0x1)`, 'WeChat 8 · Android'],
    [`${IPHONE} Version/18.5 Mobile/15E148 Safari/604.1`, 'Safari 18 · iOS'],
    [`${IPHONE} CriOS/140.0.0.0 Mobile/15E148 Safari/604.1`, 'Chrome 140 · iOS'],
    [`${IPHONE} FxiOS/142.0 Mobile/15E148 Safari/605.1.15`, 'Firefox 142 · iOS'],
    [`${MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15`, 'Safari 18 · macOS'],
    ['Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0', 'Firefox 142 · Linux'],
    [`Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) ${WEBKIT} Chrome/140.0.0.0 Safari/537.36`, 'Chrome 140 · ChromeOS'],
    ['Mozilla/5.0 (Windows NT 10.0; Trident/7.0; rv:11.0) like Gecko', 'Internet Explorer 11 · Windows'],
    ['okhttp/4.12.0', 'OkHttp 4'],
    ['curl/8.5.0', 'curl 8'],
    ['node', 'Node.js'],
    ['MyApp/3.1 CFNetwork/1568 Darwin/24.0', 'MyApp/3.1 · iOS'],
    ['Mozilla/5.0 (Linux; Android 14; X)', 'Android'],
    ['something else', 'something'],
    [`${'a'.repeat(60)}/1`, `${'a'.repeat(39)}…`],
    ['', ''],
    [null, ''],
  ])('of %s is %s', (userAgent, name) => expect(shortUserAgent(userAgent)).toBe(name));

  it('is short and of one line, whatever a client sends', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 2000 }), (userAgent) => {
        const name = shortUserAgent(userAgent);
        expect(name.length).toBeLessThanOrEqual(40);
        expect(name).not.toMatch(/[\r\n]/);
      }),
    );
  });
});
