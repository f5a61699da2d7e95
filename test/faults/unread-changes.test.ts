import { beforeEach, describe, expect, it } from '@jest/globals';
import { multiDevice } from 'nestjs-latchkey';
import type { DataSource } from 'typeorm';
import { kindsOf, portOf, throughPort } from '../support/databases.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';
import { useDatabase } from '../support/use-database.js';

const KICK = { by: 'root' };

describe('a change log that one node cannot read, while it goes on writing its row', () => {
  const database = useDatabase(kindsOf('postgres')[0]!);
  let proxy: TcpProxy;
  let inspector: DataSource;
  let isUnreadable: boolean;

  beforeEach(async () => {
    inspector = await database.connect();
    isUnreadable = false;
    const request = (chunk: Buffer) => {
      if (!isUnreadable) return chunk;
      // Of the same length, so that the message of the driver stays one.
      return Buffer.from(chunk.toString('latin1').replaceAll('id, version, at', 'id, missing, at'), 'latin1');
    };
    proxy = await TcpProxy.start(portOf(database), () => ({ request }));
    database.atEnd(() => proxy.close());
  });

  const open = (options = database.options) =>
    database.start({ database: options, policy: multiDevice(), timing: { poll: '100ms' } });
  const members = () =>
    inspector.query<{ id: string; caching: number; poll: string; polled: string }[]>(
      'SELECT id, caching, poll, polled FROM latchkey_node',
    );

  it('F42: keeps nobody waiting once that node has used up its grace, and it begins again by itself', async () => {
    const blind = await open(throughPort(database, proxy.port));
    await until(() => blind.runtime.coherence.caching);
    const { id } = (await members())[0]!;
    const row = async () => (await members()).find((one) => one.id === id)!;
    isUnreadable = true;
    const other = await open();
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
