import type { RouteRules } from '../http/route-rules.js';

type Terms = Pick<RouteRules, 'strict' | 'activity' | 'allowCrossSite' | 'renew'>;

interface LookUp {
  readonly by: object;
  readonly terms: Terms;
  readonly outcome: unknown;
}

/** Look-ups by request. */
const shared = new WeakMap<object, LookUps>();

/** Verdicts on the token of one request: all guarded fields of an operation, and all operations of a batch, share them. */
export class LookUps {
  private readonly done: LookUp[] = [];

  /** Returns those of a request that was marked; null for any other. */
  static of(request: object): LookUps | null {
    return shared.get(request) ?? null;
  }

  /** Marks a request whose fields share their look-ups. */
  static share(request: object): void {
    if (!shared.has(request)) shared.set(request, new LookUps());
  }

  /** Reuses a verdict that is as strict, and counts as a use if this one does, by the same rules of other sites and renewals. */
  once<Outcome>(by: object, terms: Terms, ask: () => Outcome): Outcome {
    const known = this.done.find(
      (one) =>
        one.by === by &&
        (one.terms.strict || !terms.strict) &&
        (one.terms.activity || !terms.activity) &&
        one.terms.allowCrossSite === terms.allowCrossSite &&
        one.terms.renew === terms.renew,
    );
    if (known) return known.outcome as Outcome;
    const outcome = ask();
    this.done.push({ by, terms, outcome });
    return outcome;
  }
}
