/** How a token is being used. */
export interface TokenUse {
  /** Address of the client; noted as that of the session's last use. */
  readonly ip?: string | null;
  /** Whether the database is to be asked in any case; default false. */
  readonly strict?: boolean;
  /** Whether it counts as a use of the session, for lastSeenAt and the idle timeout; default true. */
  readonly activity?: boolean;
}
