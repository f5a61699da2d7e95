import assert from 'node:assert/strict';
import type { Claims } from '../model/session.js';
import { has } from './contract.js';
import type { Cases, Stage } from './contract-stage.js';

const ABOUT = { by: 'root', names: ['roles'], comment: 'left the team' };
const demote = (claims: Claims): Claims => ({ ...claims, roles: [] });
const change = (at: Stage, node = at.node) => node.changeAccountClaims(at.account, demote, ABOUT);

/** Cases of sessionRepositoryContract about the claims of a user. */
export const claimsCases: Cases = {
  'changes the claims of all live sessions of an account in one step, and of no other': async (at) => {
    const [one, two] = [await at.login({ claims: { roles: ['admin'], n: 1 } }), await at.login({ claims: { n: 2 } })];
    const opened = await at.login({ claims: { roles: ['admin'] }, impersonator: 'root' });
    const ended = await at.login({ claims: { roles: ['admin'] } });
    await at.node.endSession(ended.id, { reason: 'SESSION_KICKED', by: 'root' });
    const before = await at.record(ended.id);
    const other = await at.login({ claims: { roles: ['admin'] } }, `${at.user}-2`);
    const done = await change(at);
    has(done, { changed: 3, change: { kind: 'account', id: at.account.key, version: 1, end: null } });
    for (const { id, claims, version } of [one, two, opened]) {
      has(await at.record(id), { claims: demote(claims), version: version + 1, accountVersion: 1, end: null });
    }
    has(await at.record(ended.id), { claims: before.claims, version: before.version });
    assert.deepEqual(await at.record(other.id), other);
    assert.equal((await change(at, at.other))?.change.version, 2);
    has(await at.node.readAccount(at.account), { epoch: 2, notBefore: 0 });
  },
  'refuses logins with a ticket from before a change of claims, and asks again for claims': async (at) => {
    assert.equal((await change(at))?.changed, 0);
    assert.deepEqual(await at.tryLogin({ claimsEpoch: 0 }), { kind: 'outdated', ended: [] });
    assert.equal((await at.tryLogin({ ticketEpoch: 0 })).kind, 'superseded');
    assert.deepEqual(await at.node.listLiveSessions(at.account), []);
    await at.login({ claimsEpoch: 1, ticketEpoch: 1, authenticatedAt: at.clock.now() });
  },
  'leaves no session with old claims, whatever logs in at the same time': async (at) => {
    const old = { claims: { roles: ['admin'] }, claimsEpoch: 0 };
    const logins = Array.from({ length: 12 }, (_, index) => at.tryLogin(old, index % 2 ? at.node : at.other));
    const [done, ...outcomes] = await Promise.all([change(at), ...logins]);
    for (const { kind } of outcomes) assert.ok(kind === 'granted' || kind === 'outdated');
    const live = await at.node.listLiveSessions(at.account);
    assert.equal(live.length, done!.changed);
    for (const { claims } of live) assert.deepEqual(claims, { roles: [] });
  },
  'changes no claims if a change of one session throws': async (at) => {
    const sessions = [await at.login({ claims: { n: 1 } }), await at.login({ claims: { n: 2 } })];
    const failure = new Error('of the change');
    const failing = at.node.changeAccountClaims(
      at.account,
      (claims) => {
        if ((claims as { n?: number }).n === 2) throw failure;
        return demote(claims);
      },
      ABOUT,
    );
    await assert.rejects(failing, (error) => error === failure);
    for (const session of sessions) assert.deepEqual(await at.record(session.id), session);
  },
};
