import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

const SOURCE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const RUN = `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations
  .filter(({ impact }) => impact === 'serious' || impact === 'critical')
  .flatMap(({ id, help, nodes }) => nodes.map((node) =>
    id + ': ' + help + '\\n  ' + node.html + '\\n  ' + (node.failureSummary ?? '').replaceAll('\\n', '\\n  '))))`;

/** Finds what axe calls serious or critical. The debugger runs it, so that the page keeps its security policy. */
export async function seriousProblems(page: Page): Promise<string[]> {
  await page.evaluate(`if (!globalThis.axe) { ${SOURCE} }`);
  return page.evaluate<string[]>(RUN);
}
