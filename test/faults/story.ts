import { expect } from '@jest/globals';
import type { LoginResult } from 'nestjs-latchkey';
import { END_BUDGET_MS, SLACK_MS } from './budgets.js';
import { timed } from '../support/until.js';
import { type FaultNode, type FaultNodeOptions, type Stage, untilRemembered, verdictsOf } from './stage.js';
import type { Witness } from './witness.js';

type Five = [LoginResult, LoginResult, LoginResult, LoginResult, LoginResult];

let stories = 0;

/** Does all that applications do with sessions, within its budgets, on all nodes. @returns logins that are still good */
export async function liveThrough(nodes: readonly FaultNode[], witness: Witness): Promise<readonly LoginResult[]> {
  const story = ++stories;
  const any = (index: number) => nodes[index % nodes.length]!;
  const inTime = async <T>(work: Promise<T>): Promise<T> => {
    const { value, ms } = await timed(work);
    expect(ms).toBeLessThan(END_BUDGET_MS + SLACK_MS);
    return value;
  };
  const everywhere = async (login: LoginResult, verdict: string) =>
    expect(await verdictsOf(nodes, login)).toEqual(nodes.map(() => verdict));
  const logins = await Promise.all(
    ['replaced', 'left', 'kicked', 'revoked', 'kept'].map((name, index) =>
      inTime(any(index).tokens.login(`${name}-${story}`)),
    ),
  );
  witness.watch(...logins);
  const [replaced, left, kicked, revoked, kept] = logins as Five;
  for (const login of logins) await everywhere(login, 'VALID');

  const winner = await witness.ending([replaced], () => inTime(any(1).tokens.login(`replaced-${story}`)));
  witness.watch(winner);
  await everywhere(replaced, 'SESSION_REPLACED');
  await everywhere(winner, 'VALID');
  expect(await witness.ending([left], () => inTime(any(0).tokens.logout(left.accessToken)))).toBe(true);
  await everywhere(left, 'SESSION_LOGGED_OUT');
  expect(await witness.ending([kicked], () => inTime(any(1).operators.kick(kicked.session.id, { by: 'root' })))).toBe(
    true,
  );
  await everywhere(kicked, 'SESSION_KICKED');
  expect(await witness.ending([revoked], () => inTime(any(0).tokens.revokeSessions(`revoked-${story}`)))).toBe(1);
  await everywhere(revoked, 'SESSION_REVOKED');

  await inTime(any(1).sessions.updateClaims(kept.session.id, { story }));
  for (const { tokens } of nodes) {
    expect(await tokens.verify(kept.accessToken)).toMatchObject({ status: 'VALID', session: { claims: { story } } });
  }
  const refreshed = await inTime(any(0).tokens.refresh(kept.refreshToken));
  expect((await inTime(any(1).tokens.refresh(kept.refreshToken))).accessToken).toBe(refreshed.accessToken);
  const renewed = { ...kept, ...refreshed };
  witness.watch(renewed);
  await everywhere(renewed, 'VALID');
  return [winner, renewed];
}

/** Opens two nodes that have lived through all of it, and remember what is still good. */
export async function openAlive(stage: Stage, options: FaultNodeOptions = {}) {
  const nodes = await stage.openAll(2, options);
  const witness = stage.witness(nodes);
  const logins = await liveThrough(nodes, witness);
  for (const login of logins) await untilRemembered(nodes, login);
  return { nodes, witness, logins };
}
