import { ageDecision } from './decide.js';
import type { Decision } from '../ports/decision.js';
import { TtlCache } from '../shared/ttl-cache.js';
import { HighWaterMarks } from '../shared/high-water-marks.js';
import type { LimitCall } from './limit-call.js';
import type { Clock } from '../ports/clock.js';
import { BLOCK, sameRules, type RuleSet } from './rules.js';

/** A cached refusal. */
interface Denial {
  readonly rules: RuleSet;
  readonly cost: number;
  readonly decision: Decision;
  /** This process' clock before the request, so that the denial ends too early rather than too late. */
  readonly requestedAt: number;
  readonly endsAt: number;
}

const MAX_SUBJECTS = 10_000;
const MAX_DENIALS_PER_SUBJECT = 8;

/**
 * Caches refusals until they end, so that a caller that is refused in a loop does not ask the store each time. A denial
 * applies to calls with the same rules and at least the same cost. Not used for concurrency rules, whose slots can be
 * released at any time. Refunds and resets drop the denials of their subject.
 */
export class DenialCache {
  readonly #clock: Clock;
  readonly #denials: TtlCache<readonly Denial[]>;
  readonly #drops = new HighWaterMarks(MAX_SUBJECTS);
  #sequence = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#denials = new TtlCache(clock, MAX_SUBJECTS);
  }

  /** The number of drops so far. To be read before a request and passed to `add`. */
  get sequence(): number {
    return this.#sequence;
  }

  /** The decision of a denial that applies to the call, or undefined. */
  find({ subject, rules, cost }: LimitCall): Decision | undefined {
    const denials = this.#denials.get(subject);
    if (denials === undefined) return undefined;
    const now = this.#clock.now();
    for (const one of denials) {
      // guard: denial-holds-for-no-lower-cost
      if (cost >= one.cost && now < one.endsAt && sameRules(one.rules, rules)) {
        return ageDecision(one.decision, now - one.requestedAt);
      }
    }
    return undefined;
  }

  /**
   * Adds a refusal.
   *
   * @param requestedAt this process' clock before the request
   * @param sequence `sequence` before the request: the refusal is not cached if the subject was dropped since
   */
  add({ subject, rules, cost }: LimitCall, decision: Decision, requestedAt: number, sequence: number): void {
    // guard: denied-slot-is-not-remembered
    // guard: overtaken-denial-is-not-remembered
    if (!isFinal(decision) || !this.#drops.permits(subject, sequence)) return;
    const others = (this.#denials.get(subject) ?? []).filter((one) => !sameRules(one.rules, rules));
    const denial = { rules, cost, decision, requestedAt, endsAt: requestedAt + decision.retryAfterMs };
    const kept = [denial, ...others].slice(0, MAX_DENIALS_PER_SUBJECT);
    const now = this.#clock.now();
    this.#denials.set(subject, kept, Math.max(...kept.map(({ endsAt }) => endsAt - now)));
  }

  /** Drops the denials of a subject, and those that requests in progress would add. */
  drop(subject: string): void {
    this.#drops.record(subject, ++this.#sequence);
    this.#denials.delete(subject);
  }

  /** The number of subjects with a denial that has not ended. @internal for tests */
  get size(): number {
    return this.#denials.size;
  }
}

/** True if the refusal holds until `retryAfterMs`: no concurrency rule refuses. */
function isFinal({ rule, rules }: Decision): boolean {
  return rule === BLOCK || rules.every((one) => one.allowed || one.algorithm !== 'concurrency');
}
