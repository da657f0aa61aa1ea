import { LocalRateStore } from '../../../src/core/limits/local-rate-store.js';
import type { Clock, Timer } from '../../../src/core/ports/clock.js';
import type { RateReply, RateRequest, RateRule, RuleReading } from '../../../src/core/ports/rate-store.js';
import { newToken } from '../../../src/core/shared/token.js';

/** A clock that goes where the test puts it, back too. */
export interface SetClock extends Clock {
  ms: number;
}

export function setClock(ms = 1_000): SetClock {
  return {
    ms,
    now() {
      return this.ms;
    },
    after: (): Timer => ({ cancel() {} }),
    random: () => 0.5,
  };
}

export interface RateRig {
  readonly clock: SetClock;
  readonly store: LocalRateStore;
  readonly woken: string[];
  consume(rules: readonly RateRule[], options?: Partial<RateRequest>): Promise<RateReply>;
  /** Of one rule. */
  take(rule: RateRule, options?: Partial<RateRequest>): Promise<RuleReading>;
  /** Takes nothing. */
  look(rule: RateRule): Promise<RuleReading>;
  give(rule: RateRule, cost: number, token?: string): Promise<void>;
}

export const SUBJECT = 'n:rate:{k}';

export function rateRig(maxKeys = 1_000): RateRig {
  const clock = setClock();
  const woken: string[] = [];
  const store = new LocalRateStore(clock, { maxKeys }, (subject) => void woken.push(subject));
  const consume: RateRig['consume'] = (rules, options = {}) =>
    store.consume({
      subject: SUBJECT,
      rules,
      cost: 1,
      token: newToken(),
      repeatable: false,
      force: false,
      ...options,
    });
  const take: RateRig['take'] = async (rule, options) => (await consume([rule], options)).rules[0]!;
  return {
    clock,
    store,
    woken,
    consume,
    take,
    look: (rule) => take(rule, { cost: 0 }),
    give: (rule, cost, token = newToken()) =>
      store.refund({ subject: SUBJECT, rules: [rule], cost, token, wakeOnlyIfFull: false }),
  };
}

/** Of one second, unless told otherwise. */
export function rateRule(
  algorithm: RateRule['algorithm'],
  limit: number,
  more: Partial<RateRule> = {},
): RateRule {
  return { key: `${SUBJECT}:${algorithm}`, algorithm, limit, perMs: 1_000, burst: limit, ...more };
}
