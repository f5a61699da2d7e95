import type { AccessTokenFormat } from './access-token-format.js';
import { type TokenCodec, hashToken } from './token-codec.js';
import type { ParsedToken } from '../model/token-pair.js';

/** Above the length of any token of ours; longer text is refused unread (RFC 6750 sets no limit). */
export const MAX_TOKEN_LENGTH = 12_288;

/** Keeps hashes of tokens, as many as it likes. */
export interface AuthenticTokenStore {
  has(hash: string): boolean;
  add(hash: string): void;
}

/** What the text of a token says by itself, with no look at its session. No I/O. */
export class TokenReader {
  constructor(
    private readonly codec: TokenCodec,
    private readonly format: AccessTokenFormat,
    private readonly authentic: AuthenticTokenStore,
  ) {}

  /** Whether the hash covers the whole text, so that one equal to a stored hash is known to have been made here. */
  get hashCoversText(): boolean {
    return this.format.hashCoversText;
  }

  /** What an access token says, unchecked; TOKEN_MALFORMED for what is too long or no text, TOKEN_INVALID for other forms. */
  readAccess(text: unknown): ParsedToken | 'TOKEN_MALFORMED' | 'TOKEN_INVALID' {
    const { format } = this;
    if (typeof text !== 'string' || text.length === 0 || text.length > format.maxLength) return 'TOKEN_MALFORMED';
    return format.read(text) ?? 'TOKEN_INVALID';
  }

  /** Whether an access token that could be read was made here. That is true for good, so it is found out once. */
  isAuthentic(text: string, token: ParsedToken): boolean | Promise<boolean> {
    const { authentic, format } = this;
    const hash = format.hashCoversText ? token.hash : hashToken(text);
    if (authentic.has(hash)) return true;
    const note = (isAuthentic: boolean) => {
      if (isAuthentic) authentic.add(hash);
      return isAuthentic;
    };
    const answer = format.isAuthentic(text);
    return typeof answer === 'boolean' ? note(answer) : answer.then(note);
  }

  /** Whether tokens that were made with this key are taken for made here. */
  hasKey(keyId: string): boolean {
    return this.codec.hasKey(keyId);
  }

  /** A token of either kind that was made here; null for anything else. */
  async readAny(text: unknown): Promise<{ readonly kind: 'access' | 'refresh'; readonly token: ParsedToken } | null> {
    const { codec, format } = this;
    if (typeof text !== 'string' || text.length > MAX_TOKEN_LENGTH) return null;
    const access = text.length <= format.maxLength ? format.read(text) : null;
    if (access) return (await format.isAuthentic(text)) ? { kind: 'access', token: access } : null;
    const refresh = codec.read('rt', text);
    return refresh && codec.isAuthentic('rt', text) ? { kind: 'refresh', token: refresh } : null;
  }
}
