import { describe, expect, it } from '@jest/globals';
import { consoleAssets } from 'lib/admin/console-assets.js';
import { bundleConsole } from '../../tools/lib/console-assets.mjs';

describe('the assets of the console', () => {
  it('are what the sources come to', async () => {
    expect(await bundleConsole()).toEqual(consoleAssets);
  });

  it('load nothing from elsewhere, and carry no map', () => {
    expect(consoleAssets['console.css']).not.toMatch(/url\(|@import/);
    expect(consoleAssets['console.js']).not.toMatch(/sourceMappingURL|\beval\(|new Function\(/);
    expect(consoleAssets['console.js']).not.toMatch(/\bimport\s*[("']/);
  });

  it('never make elements of a text', () => {
    const setters = consoleAssets['console.js'].match(/dangerouslySetInnerHTML:|insertAdjacentHTML|document\.write/g);
    expect(setters).toBeNull();
  });

  it('stay below the sizes that docs/console.md names', () => {
    expect(Buffer.byteLength(consoleAssets['console.js'])).toBeLessThan(175_000);
    expect(Buffer.byteLength(consoleAssets['console.css'])).toBeLessThan(25_000);
  });
});
