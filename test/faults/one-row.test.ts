import { describe, expect, it } from '@jest/globals';
import { type LoginResult, multiDevice } from 'nestjs-latchkey';
import { type FaultNode, KICK, useStage } from './stage.js';

const AT_ONCE = 300;

describe('clients that come back again and again with one token', () => {
  const stage = useStage();

  it('F38: refreshes of an ended and of a live session leave logins and kicks of others alone', async () => {
    const nodes = (await stage.openAll(2, { policy: multiDevice() })) as [FaultNode, FaultNode];
    const [near, far] = nodes;
    const witness = stage.witness(nodes);
    const [ended, live, other] = await Promise.all(['ended', 'live', 'other'].map((user) => near.tokens.login(user)));
    witness.watch(ended!, live!, other!);
    await witness.ending([ended!], () => near.operators.kick(ended!.session.id, KICK));
    const refresh = ({ tokens }: FaultNode, { refreshToken }: LoginResult) =>
      tokens.refresh(refreshToken).then(
        (pair) => pair.accessToken,
        ({ code }: { code: string }) => code,
      );
    const floods = Promise.all(
      [ended!, live!].map((login) =>
        Promise.all(Array.from({ length: AT_ONCE }, (_, index) => refresh(nodes[index % 2]!, login))),
      ),
    );
    const opened = await Promise.all([0, 1, 2, 3].map((user) => nodes[user % 2]!.tokens.login(`user-${user}`)));
    witness.watch(...opened);
    await witness.ending([other!], () => far.operators.kick(other!.session.id, KICK));
    await witness.ending([opened[0]!], () => far.operators.kickUser('user-0', KICK));
    const [refused, renewed] = await floods;
    expect(new Set(refused)).toEqual(new Set(['SESSION_KICKED']));
    // The same pair for all.
    expect([...new Set(renewed)]).toHaveLength(1);
    expect((await far.tokens.verify(renewed![0])).status).toBe('VALID');
    await witness.close();
  });
});
