/** Header and payload of a JWS, unchecked. */
export interface JwsParts {
  readonly header: Readonly<Record<string, unknown>>;
  readonly payload: Readonly<Record<string, unknown>>;
}

/**
 * Reads a JWS in compact form whose header and payload are JSON objects; null for any other text, and for a spelling that
 * is not the canonical one: base64url has spare bits at its end, and two texts must never be one token. Never throws.
 */
export function readJws(text: string): JwsParts | null {
  const parts = text.split('.', 4);
  if (parts.length !== 3) return null;
  const [header, payload, signature] = parts.map(decodeCanonical);
  if (!header || !payload || !signature) return null;
  const decoded = { header: parseObject(header), payload: parseObject(payload) };
  return decoded.header && decoded.payload ? (decoded as JwsParts) : null;
}

/** The bytes of base64url text in its one canonical spelling; null for any other. */
export function decodeCanonical(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64url');
  return text !== '' && bytes.toString('base64url') === text ? bytes : null;
}

function parseObject(bytes: Buffer): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as never) : null;
  } catch {
    return null;
  }
}
