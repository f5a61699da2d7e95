import type { RenewedToken } from '../../model/verification.js';
import { beforeHead, nodeResponse } from './fast-path/response-head.js';
import type { HeaderOptions } from '../module/session-options.js';

/**
 * Puts the successor of the request's token into the answer, whatever that becomes. Scripts of other origins may read it
 * beside what the application lets them read, and no cache may keep it: a client that was given an old answer would go back
 * to a token that is over.
 */
export function passOnRenewedToken(response: unknown, renewed: RenewedToken, names: Required<HeaderOptions>): void {
  const target = nodeResponse(response);
  if (!target || target.headersSent) return;
  beforeHead(target, () => {
    const { renewedToken, renewedTokenExpiresIn } = names;
    target.setHeader(renewedToken, renewed.accessToken);
    target.setHeader(renewedTokenExpiresIn, String(renewed.expiresIn));
    target.setHeader('Cache-Control', 'no-store');
    const exposed = [target.getHeader('Access-Control-Expose-Headers') ?? []].flat().join(', ');
    const added = [renewedToken, renewedTokenExpiresIn].join(', ');
    target.setHeader('Access-Control-Expose-Headers', exposed === '' ? added : `${exposed}, ${added}`);
  });
}
