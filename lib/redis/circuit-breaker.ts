/**
 * Keeps calls from a service that does not answer. After some failures in a row nobody asks it for a while; then one call
 * finds out whether it is back. Time is monotonic milliseconds.
 */
export class CircuitBreaker {
  private failures = 0;
  private openUntil = -Infinity;
  private probing = false;

  constructor(
    private readonly maxFailures: number,
    private readonly pauseMs: number,
    private readonly now: () => number,
  ) {}

  /** `down`: nobody asks. `probing`: the pause is over, and one call at a time may. */
  get state(): 'up' | 'down' | 'probing' {
    if (this.failures < this.maxFailures) return 'up';
    return this.now() < this.openUntil || this.probing ? 'down' : 'probing';
  }

  /** Whether a call may be made now. One that was let through must be reported by `succeed` or `fail`. */
  admit(): boolean {
    const { state } = this;
    if (state === 'probing') this.probing = true;
    return state !== 'down';
  }

  succeed(): void {
    this.failures = 0;
    this.probing = false;
  }

  fail(): void {
    this.failures++;
    this.probing = false;
    if (this.failures >= this.maxFailures) this.openUntil = this.now() + this.pauseMs;
  }
}
