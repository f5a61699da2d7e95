import type { Changes } from '../changes/commit.js';
import { type FieldsOf, checkFields } from '../model/checked-input.js';
import { SessionError, invalidArgument } from '../model/session-error.js';
import type { Claims, ClaimsPatch } from '../model/session.js';
import { type AccountRef, actorText } from '../model/user-key.js';
import type { SessionRepository } from '../ports/session-repository.js';
import { MAX_CLAIMS_BYTES, actorOf, checkClaims, checkFlag, claimsSize, optionalText } from './arguments.js';
import type { SessionEnding } from './end.js';

/** Options of `updateUserClaims`. */
export interface UserClaimsOptions {
  /** Actor of the change, 1 to 1,024 characters. Default: `system`. */
  readonly by?: string;
  /** Actor's words for the audit trail, at most 255 characters. */
  readonly comment?: string | null;
  /** Ends the sessions with SESSION_REVOKED instead, and refuses logins that began before. Default: false. */
  readonly endInstead?: boolean;
}

const FIELDS: FieldsOf<UserClaimsOptions> = { by: true, comment: true, endInstead: true };

/** Changes the claims of all sessions of a user. Resolves once no node answers by the old ones. */
export class UserClaims {
  constructor(
    private readonly parts: {
      readonly repository: Pick<SessionRepository, 'changeAccountClaims'>;
      readonly changes: Changes;
      readonly ending: SessionEnding;
    },
  ) {}

  /** See SessionService.updateUserClaims. */
  async update(account: AccountRef, patch: ClaimsPatch, options: UserClaimsOptions): Promise<number | null> {
    checkFields(options, 'options', FIELDS);
    const checked = checkPatch(patch);
    const by = actorOf(options.by ?? 'system');
    const comment = optionalText(options.comment, 'comment', 255);
    if (checkFlag(options.endInstead, 'endInstead')) {
      const all = { except: null, raiseEpoch: true, comment };
      return this.parts.ending.endAll(account, 'SESSION_REVOKED', by, all);
    }
    const names = Object.keys(checked);
    const outcome = await this.parts.changes.commit({
      holding: [account.key],
      transaction: () =>
        this.parts.repository.changeAccountClaims(account, (claims) => applied(claims, checked), {
          by: actorText(by),
          names,
          comment,
        }),
      outcomeOf: (found) => ({
        ...(found && {
          scopes: [found.change],
          keys: [account.key],
          events: [{ type: 'account.claims-changed', userId: account.userId, claims: names, changed: found.changed }],
        }),
        reach: 'acknowledged',
      }),
    });
    if (!outcome) throw new SessionError('TOO_MANY_SESSIONS');
    return outcome.changed;
  }
}

/** @throws SessionError ARGUMENT_INVALID unless it is a plain JSON object with a claim, of at most 4,096 bytes */
function checkPatch(patch: unknown): ClaimsPatch {
  const checked = checkClaims(patch, 'patch');
  if (Object.keys(checked).length > 0) return checked;
  throw invalidArgument('patch', 'must name a claim to change, such as { roles: ["user"] }; null removes a claim');
}

/** Pure. @throws SessionError ARGUMENT_INVALID if the result is too large */
function applied(claims: Claims, patch: ClaimsPatch): Claims {
  const entries = Object.entries({ ...claims, ...patch }).filter(
    ([name, value]) => value !== null || !Object.hasOwn(patch, name),
  );
  const result = Object.fromEntries(entries) as Claims;
  if (claimsSize(result) <= MAX_CLAIMS_BYTES) return result;
  throw invalidArgument('patch', 'would make the claims of a session larger than 4,096 bytes as JSON');
}
