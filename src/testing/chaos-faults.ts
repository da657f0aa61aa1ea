import { describe } from '../core/shared/describe.js';
import { OptionsError } from '../core/shared/errors.js';
import { checkTarget, matches, type ChaosTarget, type ChaosVerb } from './chaos-calls.js';

/**
 * What happens to one call:
 *
 * - `refused`: it is not sent, and the caller knows that
 * - `request lost`: the store never receives it, and the caller gets a timeout
 * - `reply lost`: the store executes it, and the caller gets a timeout
 * - `late`: the caller gets a timeout, and the store executes it later (see `deliver`)
 * - `duplicated`: the store executes it twice
 * - `no reply`: the store never receives it, and the caller waits for ever
 */
export type ChaosFault = (typeof FAULTS)[number];

const FAULTS = ['refused', 'request lost', 'reply lost', 'late', 'duplicated', 'no reply'] as const;

/**
 * Which of the calls fail: the next so many, every n-th, or each with a probability from 0 to 1. The probability uses the
 * seed of the adapter, so the same test fails the same calls.
 */
export type ChaosWhen = number | { readonly every: number } | { readonly probability: number };

interface Failure {
  readonly target: ChaosTarget;
  readonly fault: ChaosFault;
  /** Decides whether the next call fails. */
  readonly strikes: () => boolean;
  /** True if no later call fails. */
  readonly isUsedUp: () => boolean;
}

/** The faults that a test has asked for, in that order. The first that strikes a call decides. */
export class ChaosFaults {
  #failures: Failure[] = [];
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** @throws OptionsError */
  add(targets: ChaosTarget | readonly ChaosTarget[], fault: ChaosFault, when: ChaosWhen): void {
    if (!FAULTS.includes(fault)) {
      throw new OptionsError(
        `fail takes a fault, one of '${FAULTS.join("', '")}', and ${describe(fault)} was given.`,
      );
    }
    for (const target of [targets].flat()) {
      checkTarget(target, 'fail');
      this.#failures.push({ target, fault, ...this.#decide(when) });
    }
  }

  /** The fault of the next call of this verb. */
  next(verb: ChaosVerb): ChaosFault | undefined {
    const failure = this.#failures.find(({ target, strikes }) => matches(target, verb) && strikes());
    if (failure?.isUsedUp() === true) this.#failures = this.#failures.filter((one) => one !== failure);
    return failure?.fault;
  }

  clear(): void {
    this.#failures = [];
  }

  #decide(when: ChaosWhen): Pick<Failure, 'strikes' | 'isUsedUp'> {
    const isUsedUp = (): boolean => false;
    if (when === Infinity || isCount(when)) {
      let left = when;
      return { strikes: () => left-- > 0, isUsedUp: () => left <= 0 };
    }
    const { every, probability }: { every?: unknown; probability?: unknown } = Object(when);
    if (isCount(every)) {
      let calls = 0;
      return { strikes: () => ++calls % every === 0, isUsedUp };
    }
    if (typeof probability === 'number' && probability >= 0 && probability <= 1) {
      return { strikes: () => this.#random() < probability, isUsedUp };
    }
    throw new OptionsError(
      'fail takes how many of the next calls fail (a whole number, 1 or more), { every: 3 } or { probability: 0.1 }, ' +
        `and ${describe(when)} was given.`,
    );
  }
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1;
}
