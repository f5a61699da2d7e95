/** Whether the claims of a session, which this application gave it at login, say that its user is an operator. */
export function isAdmin(claims: unknown): boolean {
  const { roles } = claims as { readonly roles?: unknown };
  return Array.isArray(roles) && roles.includes('admin');
}
