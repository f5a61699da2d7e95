import { beforeAll, describe, expect, it } from '@jest/globals';
import { ADMIN_RIGHTS } from 'lib/admin-options.js';
import { adapters, useApp } from '../nest/http-app.js';
import { linesOf, startAdminApp } from './admin-app.js';
import { LiveStream } from './live-stream.js';

const ADDRESS = '203.0.113.77';

describe('A110: addresses', () => {
  const server = useApp(() => startAdminApp(adapters[0]!));
  let seeing: string;
  let blind: string;

  beforeAll(async () => {
    seeing = await server.operator(...ADMIN_RIGHTS);
    blind = await server.operator('view', 'kick', 'export');
  });

  it('find users for those alone who may see them', async () => {
    await server.tokens.login('bob', { ip: ADDRESS });
    const users = async (token: string) =>
      (await server.get(token, `/online-users?groupBy=user&q=${ADDRESS}`)).json.items;
    expect(await users(seeing)).toEqual([expect.objectContaining({ userId: 'bob' })]);
    expect(await users(blind)).toEqual([]);
    await server.operators.kickUser('bob', { by: 'root' });
  });

  it('D30: are found by every spelling, in every list', async () => {
    await server.tokens.login('carol', { ip: '[2001:0DB8::00A:0:7]:51234' });
    const spellings = ['2001:db8::a:0:7', '2001:DB8:0:0:0:A:0:7', '2001:0db8::000a:0:7', '[2001:db8::a:0:7]:443'];
    const lists = ['online-users?ip=', 'online-users?q=', 'events?ip='];
    for (const list of lists) {
      for (const spelling of spellings) {
        const { items } = (await server.get(seeing, `/${list}${encodeURIComponent(spelling)}`)).json;
        expect([list, spelling, items]).toEqual([
          list,
          spelling,
          [expect.objectContaining({ userId: 'carol', ip: '2001:db8::a:0:7' })],
        ]);
      }
    }
    await server.operators.kickUser('carol', { by: 'root' });
  });

  const details = async (token: string, type: string) =>
    ((await server.get(token, `/events?type=${type}`)).json.items as { readonly detail: unknown }[]).map(
      ({ detail }) => detail,
    );

  it('of filters are told to those who may see them, and to others that there was one', async () => {
    const kick = { filter: { ip: ADDRESS, q: ADDRESS, deviceType: 'phone' }, reason: 'Spam' };
    expect((await server.post(seeing, '/kick', kick)).status).toBe(200);
    expect((await server.get(seeing, `/events/export?ip=${ADDRESS}&type=LOGIN`)).status).toBe(200);
    expect((await server.get(seeing, `/online-users/export?q=${ADDRESS}`)).status).toBe(200);
    const hidden = { ip: null, q: null, deviceType: 'phone' };
    for (const [token, filter, ip, q] of [
      [seeing, kick.filter, ADDRESS, ADDRESS],
      [blind, hidden, null, null],
    ] as const) {
      expect(await details(token, 'BULK_KICK')).toEqual([
        { filter, reason: 'Spam', state: 'done', done: 0, ended: 0, pending: 0 },
        { filter, reason: 'Spam', state: 'begun' },
      ]);
      expect(await details(token, 'EXPORTED')).toEqual([
        { list: 'online-users', format: 'csv', filter: { q } },
        { list: 'events', format: 'csv', filter: { ip, type: 'LOGIN' } },
      ]);
    }
  });

  it('of filters are not in what is downloaded', async () => {
    for (const format of ['csv', 'ndjson']) {
      const { text } = await server.get(blind, `/events/export?format=${format}&type=BULK_KICK`);
      expect(text).toContain('begun');
      expect(text).not.toContain(ADDRESS);
    }
    const { text } = await server.get(seeing, '/events/export?format=ndjson&type=BULK_KICK');
    expect(linesOf(text)[0]).toMatchObject({ detail: { filter: { ip: ADDRESS } } });
  });

  it('of filters are not in what is told live', async () => {
    // What others did in the same millisecond, which is a long time here, would be told as well.
    server.clock.advance(20_000);
    const [open, closed] = [new LiveStream(server.port, seeing), new LiveStream(server.port, blind)];
    await Promise.all([open.until(/event: online/), closed.until(/event: online/)]);
    server.clock.advance(1000);
    await server.post(seeing, '/kick', { filter: { ip: ADDRESS } });
    await Promise.all([open.until(/"state":"done"/), closed.until(/"state":"done"/)]);
    expect(open.changes[0]).toMatchObject({ type: 'BULK_KICK', detail: { filter: { ip: ADDRESS } } });
    expect(closed.changes[0]).toMatchObject({ type: 'BULK_KICK', detail: { filter: { ip: null } } });
    expect(closed.text).not.toContain(ADDRESS);
    open.close();
    closed.close();
  });

  it('leave no trace in the audit of a filter that has none, whatever the rights of the operator', async () => {
    await server.tokens.login('alice', { deviceType: 'fridge' });
    await server.post(blind, '/kick', { filter: { deviceType: 'fridge' } });
    expect(await details(seeing, 'BULK_KICK')).toContainEqual({ filter: { deviceType: 'fridge' }, state: 'begun' });
    await server.get(blind, '/online-users/export?deviceType=fridge');
    expect((await details(seeing, 'EXPORTED'))[0]).toMatchObject({ filter: { deviceType: 'fridge' } });
    await server.post(blind, '/kick', { filter: { all: true } });
    seeing = await server.operator(...ADMIN_RIGHTS);
    expect(await details(seeing, 'BULK_KICK')).toContainEqual({ filter: 'all', state: 'begun' });
  });
});
