import { TtlCache } from '../shared/ttl-cache.js';
import type { Algorithm, RateReply, RateRequest, RateRule, RateStore } from '../ports/rate-store.js';
import type { Clock } from '../ports/clock.js';
import { rateAlgorithms } from './algorithms/index.js';
import { toMs } from './algorithms/algorithm.js';
import { isFull, renewSlot, type ConcurrencyState } from './algorithms/concurrency.js';

/** What was counted for one rule and subject. */
interface Count {
  readonly algorithm: Algorithm;
  readonly state: unknown;
}

type RefundRequest = Parameters<RateStore['refund']>[0];

const MAX_MEMORY_MS = 60_000;

/**
 * Rate limits of one process: the embedded adapter's, and those of a process whose store is away. Every verb runs
 * to its end before another begins. Bounded: the least recently used counts, blocks and answers are forgotten first.
 */
export class LocalRateStore implements RateStore {
  readonly #clock: Clock;
  readonly #wake: (subject: string) => void;
  readonly #counts: TtlCache<Count>;
  /** When it ends. */
  readonly #blocks: TtlCache<number>;
  readonly #answers: TtlCache<RateReply>;

  constructor(clock: Clock, limits: { readonly maxKeys: number }, wake: (subject: string) => void) {
    this.#clock = clock;
    this.#wake = wake;
    this.#counts = new TtlCache(clock, limits.maxKeys);
    this.#blocks = new TtlCache(clock, limits.maxKeys);
    this.#answers = new TtlCache(clock, limits.maxKeys);
  }

  async consume(request: RateRequest): Promise<RateReply> {
    const { subject, rules, cost, token, repeatable, force: forced } = request;
    const answer = answerKey(subject, token);
    const before = repeatable ? this.#answers.get(answer) : undefined;
    if (before !== undefined) return before;
    const now = this.#now();
    const blockedMs = toMs(Math.max(0, (this.#blocks.get(subject) ?? now) - now));
    const allowed = rules.map((rule) =>
      rateAlgorithms[rule.algorithm].hasRoom(rule, this.#stateOf(rule), now, cost, token),
    );
    // guard: all-rules-or-none-memory
    const takes = cost > 0 && (forced || (blockedMs === 0 && allowed.every(Boolean)));
    if (takes) for (const rule of rules) this.#take(rule, now, cost, token);
    const reply: RateReply = {
      blockedMs,
      rules: rules.map((rule, i) => ({
        allowed: allowed[i]!,
        ...rateAlgorithms[rule.algorithm].status(rule, this.#stateOf(rule), now, cost),
      })),
    };
    if (takes && repeatable) this.#answers.set(answer, reply, memoryMs(rules));
    return reply;
  }

  async refund({ subject, rules, cost, token, wakeOnlyIfFull }: RefundRequest): Promise<void> {
    const now = this.#now();
    let full = false;
    for (const rule of rules) {
      const state = this.#stateOf(rule);
      if (state === undefined) continue;
      full ||= rule.algorithm === 'concurrency' && isFull(rule, state as ConcurrencyState, now);
      const left = rateAlgorithms[rule.algorithm].refund(rule, state, now, cost, token);
      this.#keep(rule, left, now);
    }
    this.#answers.delete(answerKey(subject, token));
    if (full || !wakeOnlyIfFull) this.#wake(subject);
  }

  async renew(rules: readonly RateRule[], token: string): Promise<boolean> {
    const now = this.#now();
    let all = true;
    for (const rule of rules) {
      if (rule.algorithm !== 'concurrency') continue;
      const slots = this.#stateOf(rule) as ConcurrencyState | undefined;
      if (slots !== undefined && renewSlot(rule, slots, now, token)) this.#keep(rule, slots, now);
      else all = false;
    }
    return all;
  }

  async block(subject: string, ms: number): Promise<void> {
    this.#blocks.set(subject, this.#now() + ms * 1000, ms);
    this.#wake(subject);
  }

  async reset(subject: string, keys: readonly string[]): Promise<void> {
    this.#blocks.delete(subject);
    for (const key of keys) this.#counts.delete(key);
    this.#wake(subject);
  }

  /** Counts, blocks and answers that have not ended. */
  get size(): number {
    return this.#counts.size + this.#blocks.size + this.#answers.size;
  }

  /** Whole microseconds. */
  #now(): number {
    return Math.round(this.#clock.now() * 1000);
  }

  #stateOf(rule: RateRule): unknown {
    const count = this.#counts.get(rule.key);
    if (count === undefined || rateAlgorithms[count.algorithm] !== rateAlgorithms[rule.algorithm]) {
      return undefined;
    }
    return count.state;
  }

  #take(rule: RateRule, now: number, cost: number, token: string): void {
    const state = rateAlgorithms[rule.algorithm].consume(rule, this.#stateOf(rule), now, cost, token);
    this.#keep(rule, state, now);
  }

  #keep(rule: RateRule, state: unknown, now: number): void {
    const { algorithm } = rule;
    if (state === undefined) this.#counts.delete(rule.key);
    else {
      const { resetMs } = rateAlgorithms[algorithm].status(rule, state, now, 1);
      this.#counts.set(rule.key, { algorithm, state }, resetMs);
    }
  }
}

function answerKey(subject: string, token: string): string {
  return `${subject}#${token}`;
}

function memoryMs(rules: readonly RateRule[]): number {
  return Math.min(MAX_MEMORY_MS, Math.max(...rules.map(({ perMs }) => perMs)));
}
