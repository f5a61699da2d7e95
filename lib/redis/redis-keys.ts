/**
 * Names of everything that one module has in Redis. No name holds anything that a client sent: session and node ids are
 * hexadecimal digits of our own making, the realm is checked at boot.
 */
export class RedisKeys {
  private readonly base: string;
  /** Channel that every node of the module listens to. */
  readonly notices: string;

  constructor(prefix: string, realm: string) {
    this.base = `${prefix}:${realm}`;
    this.notices = `${this.base}:notices`;
  }

  /** Holds a live copy or a tombstone. */
  session(sessionId: string): string {
    return `${this.base}:session:${sessionId}`;
  }

  /** Channel that one node listens to. */
  answers(nodeId: string): string {
    return `${this.base}:answers:${nodeId}`;
  }
}
