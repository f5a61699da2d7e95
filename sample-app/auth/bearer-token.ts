/**
 * The token of an Authorization header, or null. For the routes that work with and without one; AuthGuard does this, and
 * more, for all others.
 */
export function bearerToken(header: unknown): string | null {
  const match = typeof header === 'string' ? /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i.exec(header) : null;
  return match?.[1] ?? null;
}
