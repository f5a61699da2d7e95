import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { multiDevice } from 'nestjs-latchkey';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { SessionRuntime } from 'lib/session-runtime.js';
import { type TestDatabase, kindsOf } from '../support/databases.js';
import { EditingProxy } from '../support/editing-proxy.js';
import { type Sessions, startSessions } from '../support/sessions.js';
import { until } from '../support/until.js';

const KICK = { by: 'root' };

describe('a change log that one node cannot read, while it goes on writing its row', () => {
  let database: TestDatabase;
  let proxy: EditingProxy;
  let inspector: DataSource;
  let isUnreadable: boolean;
  const opened: Sessions[] = [];

  beforeEach(async () => {
    database = await kindsOf('postgres')[0]!.create();
    inspector = await new DataSource(database.options).initialize();
    isUnreadable = false;
    const request = (chunk: Buffer) => {
      if (!isUnreadable) return chunk;
      // Of the same length, so that the message of the driver stays one.
      return Buffer.from(chunk.toString('latin1').replaceAll('version, at FROM', 'missing, at FROM'), 'latin1');
    };
    proxy = await EditingProxy.start(Number(new URL(database.url).port), () => ({ request }));
  });
  afterEach(async () => {
    isUnreadable = false;
    await Promise.all(opened.splice(0).map((node) => node.close()));
    await Promise.all([inspector.destroy(), proxy.close()]);
    await database.drop();
  });

  const open = async (options: DataSourceOptions) => {
    const timing = { poll: '100ms' } as const;
    const sessions = await startSessions({ database: options, policy: multiDevice(), timing });
    opened.push(sessions);
    return { ...sessions, runtime: sessions.context.get(SessionRuntime, { strict: false }) };
  };
  const members = () =>
    inspector.query<{ id: string; caching: number; poll: string; polled: string }[]>(
      'SELECT id, caching, poll, polled FROM latchkey_node',
    );

  it('F42: keeps nobody waiting once that node has used up its grace, and it begins again by itself', async () => {
    const url = new URL(database.url);
    url.port = String(proxy.port);
    const blind = await open({ ...database.options, url: url.href } as DataSourceOptions);
    await until(() => blind.runtime.coherence.caching);
    const { id } = (await members())[0]!;
    const row = async () => (await members()).find((one) => one.id === id)!;
    isUnreadable = true;
    const other = await open(database.options);
    await other.tokens.login('alice');
    await until(async () => {
      const ended = await other.operators.kickUser('alice', KICK).catch(() => null);
      return ended !== null;
    });
    const before = await row();
    expect(Number(before.caching)).toBe(0);
    await until(async () => Number((await row()).poll) > Number(before.poll) + 5);
    expect(await row()).toMatchObject({ caching: before.caching, polled: before.polled });
    await other.close();
    isUnreadable = false;
    await until(() => blind.runtime.coherence.caching);
  });
});
