import assert from 'node:assert/strict';
import type { Ban } from '../model/ban.js';
import type { SessionPatch, SessionRecord } from '../model/session.js';
import type { EndedSession, SessionDecision } from '../model/session-change.js';
import { type ContractCase, casesOf, has } from './contract.js';
import { claimsCases } from './claims-cases.js';
import { type Cases, HOUR, MINUTE, type RepositoriesUnderTest, Stage, tokenPair } from './contract-stage.js';

const KICK = { reason: 'SESSION_KICKED', by: 'root' } as const;
const IDLE = 30 * MINUTE;
const SLACK = 20_000;

/**
 * Contract of SessionRepository: what every database must do for sessions.
 * ```ts
 * for (const { name, run } of sessionRepositoryContract(() => repositories)) it(name, run);
 * ```
 * @param subject called at the start of each case
 */
export function sessionRepositoryContract(subject: () => RepositoriesUnderTest): readonly ContractCase[] {
  const cases = { ...logins, ...changes, ...claimsCases, ...ends, ...bans };
  return casesOf(
    Object.fromEntries(Object.entries(cases).map(([name, run]) => [name, () => run(new Stage(subject()))])),
  );
}

const idsOf = (ended: readonly EndedSession[]) => ended.map(({ sessionId }) => sessionId).sort();
const servicesOf = (bans: readonly Ban[]) => bans.map(({ service }) => service).sort();
const times = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, index) => make(index));

const logins: Cases = {
  'logs in, and finds the session on every node of the realm': async (at) => {
    const session = await at.login();
    has(session, { userId: at.user, version: 1, end: null, createdAt: at.clock.now(), bans: [], superseded: [] });
    assert.deepEqual(await at.record(session.id), session);
    assert.deepEqual(await at.foreign.findSessions([session.id]), []);
    assert.deepEqual(await at.node.listLiveSessions(at.account), [session]);
  },
  'ends in one step what the policy names': async (at) => {
    const old = await at.login({ replaces: true });
    const outcome = await at.tryLogin({ replaces: true }, at.other);
    assert.equal(outcome.kind, 'granted');
    assert.deepEqual(idsOf(outcome.ended), [old.id]);
    const [live, ...more] = await at.node.listLiveSessions(at.account);
    assert.deepEqual(more, []);
    const end = { reason: 'SESSION_REPLACED', at: at.clock.now(), by: at.user, replacedBy: live!.id };
    has(await at.record(old.id), { end, version: 2 });
  },
  'keeps one of many logins at once where each replaces the others': async (at) => {
    await Promise.all(times(20, (index) => at.tryLogin({ replaces: true }, index % 2 ? at.node : at.other)));
    assert.equal((await at.node.listLiveSessions(at.account)).length, 1);
  },
  'refuses a login that was proved before a change of credentials': async (at) => {
    const [changed, lost] = [await at.login(), await at.login()];
    at.clock.advance(MINUTE);
    const now = at.clock.now();
    assert.deepEqual(idsOf(await at.endAll(changed.id, true)), [lost.id]);
    for (const login of [{ authenticatedAt: now - 1 }, { authenticatedAt: now }, { ticketEpoch: 0 }]) {
      assert.deepEqual(await at.tryLogin(login), { kind: 'superseded', ended: [], clockSetBackBy: 0 });
    }
    await at.login({ ticketEpoch: 1 });
    await at.login({ authenticatedAt: now + 1 });
    has(await at.node.readAccount(at.account), { epoch: 1, notBefore: now });
    has(await at.record(changed.id), { end: null, authenticatedAt: now, amr: [], version: 2 });
  },
};

const rotate = (record: SessionRecord | null): SessionDecision<SessionRecord | null> => ({
  result: record,
  ...(record && { patch: { current: tokenPair(record.current.generation + 1, record.createdAt) } }),
});

const changes: Cases = {
  'changes a session one caller after the other': async (at) => {
    const { id } = await at.login();
    const nodes = [at.node, at.other];
    const done = await Promise.all(times(40, (index) => nodes[index % 2]!.changeSession(id, rotate)));
    const seen = done.map(({ result }) => result!.version).sort((a, b) => a - b);
    assert.deepEqual(
      seen,
      times(40, (index) => index + 1),
    );
    for (const { result, record, changed, ended } of done) {
      has({ changed, ended, version: record!.version }, { changed: true, ended: null, version: result!.version + 1 });
      const next = done.find((one) => one.result!.version === record!.version);
      assert.deepEqual(next?.result ?? (await at.record(id)), record);
    }
  },
  'keeps all that a change sets, and leaves the rest as it was': async (at) => {
    const before = await at.login();
    const now = at.clock.now();
    const hash = 'e'.repeat(64);
    const refresh = { signingKeyId: 'k'.repeat(64), refreshHash: hash, refreshExpiresAt: now + 5 * HOUR };
    const patch: Required<SessionPatch> = {
      current: { ...tokenPair(9, now + MINUTE), ...refresh },
      superseded: times(8, (index) => ({ ...tokenPair(index + 1, now), ...refresh, graceUntil: index ? null : now })),
      renewedFrom: '2001:db8::1',
      usableUntil: now + 5 * HOUR,
      claims: { name: '爱丽丝 \u0000 \ud800 📱', nested: [1, null] },
      reauthenticatedAt: now + MINUTE,
      amr: ['pwd', 'otp'],
      authenticatedAt: now - MINUTE,
    };
    const { record } = await at.node.changeSession(before.id, () => ({ result: null, patch }));
    assert.deepEqual(record, { ...before, ...patch, version: 2 });
    assert.deepEqual(await at.record(before.id), record);
    const emptied = { superseded: [], renewedFrom: null, reauthenticatedAt: null, amr: [] };
    await at.node.changeSession(before.id, () => ({ result: null, patch: emptied }));
    assert.deepEqual(await at.record(before.id), { ...record, ...emptied, version: 3 });
  },
  'does nothing by a decision that changes nothing, or that throws': async (at) => {
    const before = await at.login();
    const calm = await at.node.changeSession(before.id, (record) => ({ result: record!.version }));
    assert.deepEqual(calm, { result: 1, record: before, changed: false, ended: null });
    const failure = new Error('of the decision');
    const failing = at.node.changeSession(before.id, () => {
      throw failure;
    });
    await assert.rejects(failing, (error) => error === failure);
    assert.deepEqual((await at.other.changeSession(before.id, rotate)).result, before);
  },
  'changes no session that has ended, or that the realm does not have': async (at) => {
    const { id } = await at.login();
    await at.node.endSession(id, KICK);
    const before = await at.record(id);
    const everything = { result: 'asked', patch: { usableUntil: 1 }, end: KICK };
    const nothing = { result: 'asked', changed: false, ended: null };
    assert.deepEqual(await at.node.changeSession(id, () => everything), { ...nothing, record: before });
    const live = await at.login();
    const elsewhere = [
      at.foreign.changeSession(live.id, () => everything),
      at.node.changeSession('f'.repeat(32), () => everything),
    ];
    for (const outcome of await Promise.all(elsewhere)) assert.deepEqual(outcome, { ...nothing, record: null });
    assert.deepEqual([await at.record(id), await at.record(live.id)], [before, live]);
  },
};

const ends: Cases = {
  'ends a session once, and only in its realm': async (at) => {
    const { id } = await at.login();
    const end = { reason: 'SESSION_KICKED', at: at.clock.now(), by: 'root', replacedBy: null };
    assert.equal(await at.foreign.endSession(id, KICK), null);
    assert.deepEqual(await at.foreign.endSessions([id], KICK), []);
    assert.equal(await at.node.endSession(id, KICK, at.accountOf('someone else')), null);
    const ended = await Promise.all(times(10, (index) => (index % 2 ? at.node : at.other).endSession(id, KICK)));
    assert.deepEqual(
      ended.filter(Boolean).map((one) => one!.version),
      [2],
    );
    has(await at.record(id), { end, version: 2 });
    assert.deepEqual(await at.node.endSessions([id], KICK), []);
  },
  'ends a session for good, whatever changes it at the same time': async (at) => {
    const { id } = await at.login();
    const [ended, ...rotated] = await Promise.all([
      at.other.endSession(id, KICK),
      ...times(10, (index) => (index % 2 ? at.node : at.other).changeSession(id, rotate)),
    ]);
    has(await at.record(id), { version: ended!.version });
    for (const change of rotated) {
      if (change.changed) assert.ok(change.record!.version < ended!.version);
      else assert.notEqual(change.result!.end, null);
    }
  },
  'spares one session of an account, and does not touch it': async (at) => {
    const [kept, lost] = [await at.login(), await at.login()];
    at.clock.advance(MINUTE);
    assert.deepEqual(idsOf(await at.endAll(kept.id, false)), [lost.id]);
    assert.deepEqual(await at.record(kept.id), kept);
  },
  'ends overdue and idle sessions, as of the time at which they ran out': async (at) => {
    const [short, unused, used] = [await at.login({ lifeMs: MINUTE }), await at.login(), await at.login()];
    const [brief, long] = [await at.login({ idleMs: IDLE / 2 }), await at.login({ idleMs: 2 * IDLE })];
    const since = at.clock.now();
    at.clock.advance(IDLE);
    const use = { sessionId: used.id, at: at.clock.now(), usedAt: at.clock.now(), ip: '192.0.2.9' };
    await at.node.recordActivity([use]);
    await at.node.recordActivity([{ ...use, at: since, usedAt: since, ip: null }]);
    has(await at.record(used.id), { lastSeenAt: at.clock.now(), lastIp: '192.0.2.9', version: 1 });
    at.clock.advance(SLACK);
    const rules = { idleMs: IDLE, allowLongerLife: false, slackMs: SLACK, lostAt: -Infinity };
    assert.deepEqual(await at.foreign.endIdleSessions(rules, 1000), []);
    await Promise.all([at.node.endOverdueSessions(1000), at.other.endOverdueSessions(1000)]);
    await Promise.all([at.node.endIdleSessions(rules, 1000), at.other.endIdleSessions(rules, 1000)]);
    has((await at.record(short.id)).end, { reason: 'TOKEN_EXPIRED', at: since + MINUTE, by: 'system' });
    has((await at.record(unused.id)).end, { reason: 'SESSION_IDLE', at: since + IDLE, by: 'system' });
    has((await at.record(brief.id)).end, { reason: 'SESSION_IDLE', at: since + IDLE / 2, by: 'system' });
    has((await at.record(long.id)).end, { reason: 'SESSION_IDLE', at: since + IDLE, by: 'system' });
    assert.equal((await at.record(used.id)).end, null);
    const before = await at.record(unused.id);
    await at.node.recordActivity([{ ...use, sessionId: unused.id }]);
    assert.deepEqual(await at.record(unused.id), before);
  },
};

const bans: Cases = {
  'bans an account that has never logged in, until the ban runs out': async (at) => {
    const { ban, ended } = await at.ban({ until: at.clock.now() + MINUTE }, true);
    assert.deepEqual(ended, []);
    at.clock.advance(MINUTE - 1);
    assert.deepEqual(await at.tryLogin(), { kind: 'banned', ban, ended: [] });
    at.clock.advance(1);
    await at.login();
  },
  'leaves no session that was opened while the account was banned': async (at) => {
    for (let round = 0; round < 3; round++) {
      const [{ ban }, ...outcomes] = await Promise.all([
        at.ban({}, true),
        ...times(12, (index) => at.tryLogin({}, index % 2 ? at.node : at.other)),
      ]);
      assert.deepEqual(await at.node.listLiveSessions(at.account), []);
      for (const { kind } of outcomes) assert.ok(kind === 'granted' || kind === 'banned');
      has(await at.node.liftBan(at.account, null, 'root'), { ban });
    }
  },
  'keeps one ban for each service, in every session, and loses none that come at once': async (at) => {
    const { id } = await at.login();
    const services = times(10, (index) => `service-${index}`);
    await Promise.all(services.map((service, index) => at.ban({ service }, false, index % 2 ? at.node : at.other)));
    const { ban } = await at.ban({ service: services[0]!, level: 5, comment: '垃圾 📱' }, false);
    const found = await at.node.readAccount(at.account);
    assert.deepEqual([servicesOf(found.bans), servicesOf((await at.record(id)).bans)], [services, services]);
    assert.deepEqual(
      found.bans.find(({ service }) => service === services[0]),
      ban,
    );
    assert.equal(await at.node.liftBan(at.account, 'another', 'root'), null);
    await Promise.all(services.map((service) => at.other.liftBan(at.account, service, 'root')));
    assert.deepEqual([(await at.node.readAccount(at.account)).bans, (await at.record(id)).bans], [[], []]);
  },
  'ends with an operator the sessions that it opened as others': async (at) => {
    const user = `${at.user}-2`;
    const own = await at.login();
    const opened = await at.login({ impersonator: at.user }, user);
    const theirs = await at.login({}, user);
    const { ended } = await at.ban({}, true);
    assert.deepEqual(idsOf(ended), [own.id, opened.id].sort());
    has((await at.record(opened.id)).end, { reason: 'SESSION_KICKED', by: 'root' });
    assert.equal((await at.record(theirs.id)).end, null);
  },
};
