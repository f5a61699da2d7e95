import { jest } from '@jest/globals';
import { PooledEngine } from 'lib/pooled-engine.js';
import type { Statement } from 'lib/sql.js';

/** The statement that a page of a list is read with, as its database is given it. */
export interface PageStatement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** The one that is made last, after those that plan it. @param list reads the page from PostgreSQL or MariaDB */
export async function pageStatementOf(list: () => Promise<unknown>): Promise<PageStatement> {
  const read = jest.spyOn(PooledEngine.prototype, 'read');
  try {
    await list();
    const engine = read.mock.contexts[0] as PooledEngine;
    const statements = read.mock.calls.map(([statement]) => statement as Statement);
    const texts = statements.map((statement) => statement.render((at) => engine.dialect.placeholder(at)));
    const last = texts.findLastIndex((text) => /ORDER BY .* LIMIT (\?|\$\d+)$/.test(text));
    return { text: texts[last]!, values: statements[last]!.values };
  } finally {
    read.mockRestore();
  }
}
