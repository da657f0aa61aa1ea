import { ageDecision } from './decide.js';
import type { Decision } from '../ports/decision.js';
import { TtlCache } from '../shared/ttl-cache.js';
import { HighWaterMarks } from '../shared/high-water-marks.js';
import type { LimitCall } from './limit-call.js';
import type { Clock } from '../ports/clock.js';
import { BLOCK, sameRules, type RuleSet } from './rules.js';

interface Denial {
  readonly rules: RuleSet;
  readonly cost: number;
  readonly decision: Decision;
  /** This process' clock before the store was asked: the denial ends early rather than late. */
  readonly askedAt: number;
  readonly until: number;
}

const MAX_SUBJECTS = 10_000;
const MAX_DENIALS_PER_SUBJECT = 8;

/**
 * Refusals that hold until they end, so that a caller that is refused in a loop does not ask the store each time. A
 * denial is found by calls with the same rules and a cost that is not smaller. Not used for concurrency rules, whose
 * slots can be released at any time. Refunds and resets drop the denials of their subject.
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

  /** Grows with every drop. To be read before the store is asked: see `add`. */
  get sequence(): number {
    return this.#sequence;
  }

  find({ subject, rules, cost }: LimitCall): Decision | undefined {
    const denials = this.#denials.get(subject);
    if (denials === undefined) return undefined;
    const now = this.#clock.now();
    for (const one of denials) {
      if (cost >= one.cost && now < one.until && sameRules(one.rules, rules)) {
        return ageDecision(one.decision, now - one.askedAt);
      }
    }
    return undefined;
  }

  /**
   * @param askedAt this process' clock before the store was asked
   * @param sequence as it was then: the decision is not kept if the subject was dropped since
   */
  add({ subject, rules, cost }: LimitCall, decision: Decision, askedAt: number, sequence: number): void {
    if (!isFinal(decision) || !this.#drops.permits(subject, sequence)) return;
    const others = (this.#denials.get(subject) ?? []).filter((one) => !sameRules(one.rules, rules));
    const denial = { rules, cost, decision, askedAt, until: askedAt + decision.retryAfterMs };
    const kept = [denial, ...others].slice(0, MAX_DENIALS_PER_SUBJECT);
    const now = this.#clock.now();
    this.#denials.set(subject, kept, Math.max(...kept.map(({ until }) => until - now)));
  }

  drop(subject: string): void {
    this.#drops.record(subject, ++this.#sequence);
    this.#denials.delete(subject);
  }

  /** Subjects with a denial that has not ended. */
  get size(): number {
    return this.#denials.size;
  }
}

/** False if a concurrency rule refuses. */
function isFinal({ rule, rules }: Decision): boolean {
  return rule === BLOCK || rules.every((one) => one.allowed || one.algorithm !== 'concurrency');
}
