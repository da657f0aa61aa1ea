import type { RateReply, RateRequest, RateRule, RateStore } from '../../../../src/core/ports/rate-store.js';
import { rateAlgorithms } from '../../../../src/core/limits/algorithms/index.js';
import { toMs } from '../../../../src/core/limits/algorithms/algorithm.js';
import { renewSlot, type ConcurrencyState } from '../../../../src/core/limits/algorithms/concurrency.js';

/**
 * The arithmetic of core and nothing else: it forgets nothing by itself. What it counts is what any store must, however
 * time is set forwards and backwards, as long as nothing that still counts is lost.
 */
export class RateReference implements RateStore {
  readonly #now: () => number;
  readonly #states = new Map<string, unknown>();
  readonly #blocks = new Map<string, number>();
  readonly #replies = new Map<string, RateReply>();

  /** @param now in whole microseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  async consume({ subject, rules, cost, token, repeatable, force }: RateRequest): Promise<RateReply> {
    const memory = `${subject}#${token}`;
    const before = repeatable ? this.#replies.get(memory) : undefined;
    if (before !== undefined) return before;
    const now = this.#now();
    const blockedMs = toMs(Math.max(0, (this.#blocks.get(subject) ?? now) - now));
    const allowed = rules.map((rule) =>
      rateAlgorithms[rule.algorithm].hasRoom(rule, this.#states.get(rule.key), now, cost, token),
    );
    const takes = cost > 0 && (force || (blockedMs === 0 && allowed.every(Boolean)));
    const readings = rules.map((rule, i) => {
      const { consume: take, status: amounts } = rateAlgorithms[rule.algorithm];
      let state = this.#states.get(rule.key);
      if (takes) this.#states.set(rule.key, (state = take(rule, state, now, cost, token)));
      return { allowed: allowed[i]!, ...amounts(rule, state, now, cost) };
    });
    const reply = { blockedMs, rules: readings };
    if (takes && repeatable) this.#replies.set(memory, reply);
    return reply;
  }

  async refund({ subject, rules, cost, token }: Parameters<RateStore['refund']>[0]): Promise<void> {
    for (const rule of rules) {
      const state = this.#states.get(rule.key);
      if (state === undefined) continue;
      const left = rateAlgorithms[rule.algorithm].refund(rule, state, this.#now(), cost, token);
      if (left === undefined) this.#states.delete(rule.key);
      else this.#states.set(rule.key, left);
    }
    this.#replies.delete(`${subject}#${token}`);
  }

  async renew(rules: readonly RateRule[], token: string): Promise<boolean> {
    const slots = rules.filter(({ algorithm }) => algorithm === 'concurrency');
    const renewed = slots.map((rule) => {
      const state = this.#states.get(rule.key) as ConcurrencyState | undefined;
      return state !== undefined && renewSlot(rule, state, this.#now(), token);
    });
    return renewed.every(Boolean);
  }

  async block(subject: string, ms: number): Promise<void> {
    if (ms === 0) this.#blocks.delete(subject);
    else this.#blocks.set(subject, this.#now() + ms * 1000);
  }

  async reset(subject: string, keys: readonly string[]): Promise<void> {
    this.#blocks.delete(subject);
    for (const key of keys) this.#states.delete(key);
  }
}
