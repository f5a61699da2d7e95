/** Options of the session library, and the variables that they come from. */
const VARIABLES: Readonly<Record<string, string>> = {
  secret: 'SESSION_SECRET',
  policy: 'SESSION_POLICY',
  'tokens.ttl': 'ACCESS_TTL',
  'tokens.access': 'ACCESS_TTL',
  'tokens.refresh': 'REFRESH_TTL',
  'tokens.renewWithin': 'RENEW_WITHIN',
  'tokens.grace': 'TOKEN_GRACE',
  'tokens.maxAge': 'MAX_AGE',
  'tokens.keys': 'JWT_PRIVATE_KEY',
  'timing.outageGrace': 'OUTAGE_GRACE',
  redis: 'REDIS_URL',
  idleTimeout: 'IDLE_TIMEOUT',
  onReplace: 'ON_REPLACE',
  'transport.trustedOrigins': 'TRUSTED_ORIGINS',
};

/** What the session library says of an option, in the words of whoever sets variables. */
export function inVariables(message: string): string {
  const start = /^(?:SessionModule option )?"?([A-Za-z.]+)"?(?= must | is )/;
  const plain = message.replace(start, (all, option: string) => VARIABLES[option] ?? all);
  return plain.replace(/\b(?:tokens|timing|transport)\.[A-Za-z]+\b/g, (option) => VARIABLES[option] ?? option);
}
