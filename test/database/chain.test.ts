import { expect, it } from '@jest/globals';
import type { SessionDecision } from 'lib/session-change.js';
import type { SessionRecord } from 'lib/model/session.js';
import { raw, sql } from 'lib/sql.js';
import { HOUR, START, describeRepository, testPair } from './repositories.js';

describeRepository('the change of a session', ({ node, other }) => {
  const nodes = [node, other];

  const rotate = (record: SessionRecord | null): SessionDecision<SessionRecord | null> => ({
    result: record,
    ...(record && { patch: { current: testPair(record.current.generation + 1, START) } }),
  });

  it('A81, A83: each of 40 parallel callers sees the record of the one before, and no version comes twice', async () => {
    const { id } = await node.login('alice');
    const changes = await Promise.all(
      Array.from({ length: 40 }, (_, index) => nodes[index % 2]!.sessions.changeSession(id, rotate)),
    );
    const expected = Array.from({ length: 40 }, (_, index) => index + 1);
    expect(changes.map(({ result }) => result!.version).sort((a, b) => a - b)).toEqual(expected);
    expect(changes.every(({ changed, ended }) => changed && ended === null)).toBe(true);
    for (const { result, record } of changes) {
      expect(record!.version).toBe(result!.version + 1);
      expect(record!.current.generation).toBe(result!.current.generation + 1);
      // What one left is what the next one found.
      const next = changes.find((one) => one.result!.version === record!.version);
      expect(next?.result ?? (await node.record(id))).toEqual(record);
    }
    expect(await node.loggedVersions(id)).toEqual(expected.map((version) => version + 1));
  });

  it('is told of the account as its row says', async () => {
    const { id } = await node.login('noted');
    const account = node.account('noted');
    const ban = { service: 'comment', level: 2, comment: null, until: null, by: 'root' };
    await node.sessions.ban(account, ban, false);
    await node.endAll('noted', { except: id });
    const { result } = await node.sessions.changeSession(id, (_record, state, now) => ({ result: { ...state, now } }));
    expect(result).toMatchObject({ bans: [{ ...ban, at: START }], notBefore: START, now: START });
    expect(await node.sessions.readAccount(account)).toMatchObject({ bans: [{ ...ban, at: START }], notBefore: START });
    expect(await node.sessions.readAccount(node.account('nobody'))).toMatchObject({ bans: [], notBefore: 0 });
  });

  it('ends the session as it says, with its data and with the events of the step', async () => {
    const { id } = await node.login('stolen');
    await node.stores.session(id).set('cart', [1]);
    const by = 'system';
    const { record, ended, changed } = await node.sessions.changeSession(id, () => ({
      result: null,
      patch: { claims: { never: 'kept' } },
      end: { reason: 'REFRESH_REUSED', by, at: START - 5 },
      events: [{ type: 'REFRESH_REUSED', ip: '192.0.2.66', detail: { renewedFrom: '192.0.2.1', generation: 3 } }],
    }));
    const end = { reason: 'REFRESH_REUSED', at: START - 5, by, replacedBy: null };
    const { current } = await node.record(id).then((one) => one!);
    const tombstone = {
      sessionId: id,
      version: 2,
      end,
      tokens: [{ generation: current.generation, accessHash: current.accessHash }],
    };
    expect({ changed, ended }).toEqual({
      changed: true,
      ended: { sessionId: id, userId: 'stolen', reason: 'REFRESH_REUSED', version: 2, tombstone },
    });
    expect(record).toMatchObject({ end, version: 2, claims: {} });
    expect(await node.record(id)).toEqual(record);
    expect(await node.loggedVersions(id)).toEqual([2]);
    expect(await node.countData([id])).toBe(0);
    expect((await node.events('stolen')).slice(1)).toMatchObject([
      {
        type: 'REFRESH_REUSED',
        sessionId: id,
        actor: 'stolen',
        ip: '192.0.2.66',
        detail: { renewedFrom: '192.0.2.1', generation: 3 },
      },
      { type: 'SESSION_ENDED', sessionId: id, actor: by, reason: 'REFRESH_REUSED', detail: null },
    ]);
  });

  it('G7: does nothing to a session that has ended, or that this realm does not have', async () => {
    const { id } = await node.login('ended');
    await node.sessions.endSession(id, { reason: 'SESSION_KICKED', by: 'root' });
    const before = await node.record(id);
    const events = await node.events('ended');
    const everything = {
      result: 'asked',
      patch: { usableUntil: START + 9 * HOUR },
      end: { reason: 'SESSION_LOGGED_OUT', by: 'ended' } as const,
      events: [{ type: 'REAUTHENTICATED' } as const],
    };
    const outcome = await node.sessions.changeSession(id, () => everything);
    expect(outcome).toEqual({ result: 'asked', record: before, changed: false, ended: null });
    expect(await node.record(id)).toEqual(before);
    expect(await node.events('ended')).toEqual(events);

    const { id: live } = await node.login('ended');
    for (const [repositories, wanted] of [
      [node, 'f'.repeat(32)],
      [node.inRealm('admins'), live],
    ] as const) {
      const seen: unknown[] = [];
      const nothing = await repositories.sessions.changeSession(wanted, (...given) => {
        seen.push(given);
        return everything;
      });
      expect(nothing).toEqual({ result: 'asked', record: null, changed: false, ended: null });
      expect(seen).toEqual([[null, { bans: [], notBefore: 0 }, START]]);
    }
    expect(await node.record(live)).toMatchObject({ version: 1, end: null });
  });

  it('leaves no trace of a decision that changes nothing', async () => {
    const { id } = await node.login('calm');
    const before = await node.record(id);
    const outcome = await node.sessions.changeSession(id, (record) => ({ result: record!.version }));
    expect(outcome).toEqual({ result: 1, record: before, changed: false, ended: null });
    expect(await node.loggedVersions(id)).toEqual([]);
    expect(await node.events('calm')).toHaveLength(1);
  });

  it('G6, G7: parallel to an end is part of it or comes to nothing', async () => {
    for (let round = 0; round < 10; round++) {
      const { id } = await node.login('alice');
      const [ended, ...changes] = await Promise.all([
        other.sessions.endSession(id, { reason: 'SESSION_LOGGED_OUT', by: 'alice' }),
        ...Array.from({ length: 10 }, (_, index) => nodes[index % 2]!.sessions.changeSession(id, rotate)),
      ]);
      const record = await node.record(id);
      expect(record).toMatchObject({ end: { reason: 'SESSION_LOGGED_OUT' }, version: ended!.version });
      for (const change of changes) {
        if (change.changed) expect(change.record!.version).toBeLessThan(ended!.version);
        else expect(change.result!.end).not.toBeNull();
      }
      const versions = Array.from({ length: ended!.version - 1 }, (_, index) => index + 2);
      expect(await node.loggedVersions(id)).toEqual(versions);
    }
  });

  it('A15: a row that no version of the library wrote is no session', async () => {
    const { id } = await node.login('alice');
    const good = await node.record(id);
    const { session } = node.database.tables;
    const pair = { ...good.current, graceUntil: null };
    const bad = [
      ['superseded', ['{', '{}', '7', '""', '[null]', '[7]', '[{}]']],
      [
        'superseded',
        [{ accessHash: 5 }, { generation: '1' }, { keyId: null }, { graceUntil: 'x' }, { issuedAt: 1.5 }].map((part) =>
          JSON.stringify([pair, { ...pair, ...part }]),
        ),
      ],
      ['superseded', [JSON.stringify([{ ...pair, accessExpiresAt: undefined }])]],
    ] as const;
    for (const [column, texts] of bad) {
      for (const text of texts) {
        await node.write(sql`UPDATE ${session} SET ${raw(column)} = ${text} WHERE id = ${id}`);
        const { record } = await node.sessions.changeSession(id, rotate);
        expect({ text, record, found: await node.sessions.findSessions([id]) }).toEqual({
          text,
          record: null,
          found: [],
        });
        await node.write(sql`UPDATE ${session} SET ${raw(column)} = NULL WHERE id = ${id}`);
      }
    }
    expect(await node.record(id)).toEqual(good);
    await node.write(sql`UPDATE ${session} SET superseded = ${JSON.stringify([pair])} WHERE id = ${id}`);
    expect((await node.record(id)).superseded).toEqual([pair]);
  });

  it('A15: bans that no version of the library wrote are one from everything', async () => {
    const { id } = await node.login('alice');
    const { account } = node.database.tables;
    const ban = { service: null, level: 1, comment: null, until: null, at: START, by: 'root' };
    const write = (text: string) =>
      node.write(sql`UPDATE ${account} SET bans = ${text} WHERE user_key = ${node.account('alice').key}`);
    const parts = [{ level: '1' }, { until: 'x' }, { service: 5 }, { by: null }, { until: undefined }];
    const bad = ['{', '{}', '[null]', '[{}]', ...parts.map((part) => JSON.stringify([{ ...ban, ...part }]))];
    for (const text of bad) {
      await write(text);
      const unavailable = { code: 'SESSION_STORE_UNAVAILABLE' };
      await expect(node.sessions.changeSession(id, rotate)).rejects.toMatchObject(unavailable);
      const { bans } = await node.record(id);
      expect({ text, bans }).toMatchObject({ text, bans: [{ service: null, until: null, by: 'system' }] });
    }
    await write(JSON.stringify([ban]));
    expect((await node.record(id)).bans).toEqual([ban]);
  });
});
