import { CacheCoherence } from 'lib/cache-coherence.js';
import type { CommitsLost, Restored } from 'lib/known-changes.js';
import { writeMessage } from 'lib/change-bus.js';
import { NearCache } from 'lib/near-cache.js';
import type { ScopeChange } from 'lib/mass-end.js';
import type { SessionChange } from 'lib/node-registry.js';
import { MemoryBackend } from './memory-backend.js';
import { MemoryMembership } from './memory-node-registry.js';
import { copyOf, recordOf } from './records.js';
import { VirtualTime } from './virtual-time.js';

export const COPY_AGE = 300_000;

/** One node that caches, with a database, a shared cache and a clock in memory, and one session. */
export class CoherenceHarness {
  readonly time = new VirtualTime();
  readonly nodeRegistry = new MemoryMembership(() => this.time.clock.now());
  readonly backend = new MemoryBackend();
  readonly nearCache = new NearCache(10);
  readonly record = recordOf({ version: 3 });
  readonly observed: boolean[] = [];
  /** Sessions that the database has live after their end. */
  readonly lostEnds = new Set<string>();
  readonly losses: CommitsLost[] = [];
  /** How many accounts and realms were known at each check. */
  readonly checked: number[] = [];
  restored: Partial<Restored> = {};
  readonly coherence: CacheCoherence;

  private constructor(settings: { readonly mostChanges?: number }) {
    this.coherence = new CacheCoherence({
      ...settings,
      nodeRegistry: this.nodeRegistry,
      clock: this.time.clock,
      nodeId: 'me',
      nearCache: this.nearCache,
      shared: this.backend,
      pollFreshnessMs: 2000,
      silenceMs: 10_000,
      copyAgeMs: COPY_AGE,
      acknowledgeMs: 4000,
      endsCheck: {
        restore: async ({ ends, scopes }) => {
          this.checked.push(scopes.length);
          const lost = ends.filter(([id]) => this.lostEnds.has(id));
          for (const [id] of lost) this.lostEnds.delete(id);
          const changes = lost.map(([sessionId, end]) => ({ sessionId, version: 2, end }));
          return { changes, missing: 0, scopes: [], lostChanges: 0, ...this.restored };
        },
        report: (loss) => this.losses.push(loss),
      },
    });
  }

  static async start(settings: { readonly mostChanges?: number } = {}): Promise<CoherenceHarness> {
    const harness = new CoherenceHarness(settings);
    const { coherence, observed } = harness;
    coherence.observer = (_millis, isAcknowledged) => observed.push(isAcknowledged);
    coherence.start();
    await coherence.poll();
    return harness;
  }

  /** The version that is remembered here, as far as it may be used. */
  near(of = this.record): number | null {
    return this.coherence.get(of.id)?.record.version ?? null;
  }

  /** The same of what the nodes remember in common. */
  async shared(of = this.record): Promise<number | 'tombstone' | null> {
    const found = await this.coherence.fetch(of.id);
    return found && ('tokens' in found ? 'tombstone' : found.version);
  }

  /** Puts a copy into the shared cache, as an older snapshot of it may. */
  restore(version: number, readAt: number): void {
    this.backend.held.set(this.record.id, copyOf({ ...this.record, version }, readAt));
  }

  receive(keys: readonly string[], changes: readonly SessionChange[] = [], scopes: readonly ScopeChange[] = []): void {
    this.backend.handlers!.onMessage(writeMessage({ from: 'other', number: 1, changes, scopes, keys }));
  }

  /** Lets time pass with polls that are often enough. */
  async passPolling(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 1500) {
      await this.time.pass(1500);
      await this.coherence.poll();
    }
  }

  async end(): Promise<void> {
    await this.coherence.stop();
    this.time.end();
  }
}
