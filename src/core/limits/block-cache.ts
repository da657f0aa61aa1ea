import { decideLater } from './decide.js';
import type { Decision } from './decision.js';
import { Expiring } from './expiring.js';
import { Floors } from '../floors.js';
import type { LimitCall } from './limit-call.js';
import type { Clock } from '../ports.js';
import { BLOCK } from './rate-rules.js';

interface Refusal {
  readonly signature: string;
  readonly cost: number;
  readonly decision: Decision;
  /** Our clock before the store was asked: the refusal ends rather early than late. */
  readonly since: number;
  readonly until: number;
}

const MOST_SUBJECTS = 10_000;
const MOST_OF_ONE = 8;

/**
 * Refusals that hold until they end, so that who is refused in a loop does not ask the store each time. Kept for the
 * same rules and for costs that are not smaller. Not kept for slots, which may be given back at any time; what gives
 * units back otherwise tells of it, and drops them.
 */
export class BlockCache {
  readonly #clock: Clock;
  readonly #refusals: Expiring<readonly Refusal[]>;
  readonly #drops = new Floors(MOST_SUBJECTS);
  #ordinal = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#refusals = new Expiring(clock, MOST_SUBJECTS);
  }

  /** The point up to which it knows of drops: to be taken before the store is asked. */
  get asOf(): number {
    return this.#ordinal;
  }

  find({ subject, set, cost }: LimitCall): Decision | undefined {
    const refusals = this.#refusals.get(subject);
    if (refusals === undefined) return undefined;
    const now = this.#clock.now();
    for (const refusal of refusals) {
      if (refusal.signature === set.signature && cost >= refusal.cost && now < refusal.until) {
        return decideLater(refusal.decision, now - refusal.since);
      }
    }
    return undefined;
  }

  /**
   * @param since our clock before the store was asked
   * @param asOf as it was then: a drop since then may have overtaken the answer
   */
  remember({ subject, set, cost }: LimitCall, decision: Decision, since: number, asOf: number): void {
    if (!holds(decision) || !this.#drops.allows(subject, asOf)) return;
    const { signature } = set;
    const others = (this.#refusals.get(subject) ?? []).filter((one) => one.signature !== signature);
    const refusal = { signature, cost, decision, since, until: since + decision.retryAfterMs };
    const kept = [refusal, ...others].slice(0, MOST_OF_ONE);
    const now = this.#clock.now();
    this.#refusals.set(subject, kept, Math.max(...kept.map(({ until }) => until - now)));
  }

  drop(subject: string): void {
    this.#drops.raise(subject, ++this.#ordinal);
    this.#refusals.delete(subject);
  }

  /** Subjects with a refusal that has not ended. */
  get size(): number {
    return this.#refusals.size;
  }
}

/** No slot has a part in it. */
function holds({ rule, rules }: Decision): boolean {
  return rule === BLOCK || rules.every((one) => one.allowed || one.algorithm !== 'concurrency');
}
