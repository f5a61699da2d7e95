import type { EndedSessionSummary, IssuedTokens, UserSession } from 'nestjs-latchkey';

/** Tokens as clients get them, whatever they got them by. */
export interface TokenAnswer {
  readonly tokenType: 'Bearer';
  readonly accessToken: string;
  /** Seconds. */
  readonly expiresIn: number;
  /** Absent where the token mode has none. */
  readonly refreshToken?: string;
  /** Seconds in which it must be used. */
  readonly refreshExpiresIn?: number;
  readonly sessionId: string;
  /** Sessions that made way. */
  readonly ended: readonly EndedSessionSummary[];
}

/** @param result what the library gave for a login, or for a refresh, which ends nothing */
export function toTokenAnswer(
  result: IssuedTokens & { readonly session: UserSession; readonly ended?: readonly EndedSessionSummary[] },
): TokenAnswer {
  const { accessToken, expiresIn, refreshToken, refreshExpiresIn, session, ended = [] } = result;
  return { tokenType: 'Bearer', accessToken, expiresIn, refreshToken, refreshExpiresIn, sessionId: session.id, ended };
}
