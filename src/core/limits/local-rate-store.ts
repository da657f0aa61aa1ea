import { TtlCache } from '../shared/ttl-cache.js';
import type { Algorithm, RateReply, RateRequest, RateRule, RateStore } from '../ports/rate-store.js';
import type { Clock } from '../ports/clock.js';
import { rateAlgorithms } from './algorithms/index.js';
import { toMs } from './algorithms/algorithm.js';
import { isFull, renewSlot, type ConcurrencyState } from './algorithms/concurrency.js';

/** The usage of one rule for one subject. */
interface Count {
  readonly algorithm: Algorithm;
  readonly state: unknown;
}

type RefundRequest = Parameters<RateStore['refund']>[0];

const MAX_MEMORY_MS = 60_000;

/**
 * A rate store in the memory of this process: for the memory adapter, and for a process whose store does not answer. Every
 * verb runs synchronously, so it is atomic. The least recently used counts, blocks and replies are dropped first.
 */
export class LocalRateStore implements RateStore {
  readonly #clock: Clock;
  readonly #wake: (subject: string) => void;
  readonly #counts: TtlCache<Count>;
  /** The end of each block, in microseconds. */
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
    const { subject, rules, cost, token, repeatable, force } = request;
    const answer = answerKey(subject, token);
    const before = repeatable ? this.#answers.get(answer) : undefined;
    if (before !== undefined) return before;
    const now = this.#now();
    const blockedMs = toMs(Math.max(0, (this.#blocks.get(subject) ?? now) - now));
    const allowed = rules.map((rule) =>
      rateAlgorithms[rule.algorithm].hasRoom(rule, this.#stateOf(rule), now, cost, token),
    );
    // guard: all-rules-or-none-memory
    const takes = cost > 0 && (force || (blockedMs === 0 && allowed.every(Boolean)));
    if (takes) for (const rule of rules) this.#takeUnits(rule, now, cost, token);
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
    let wasFull = false;
    for (const rule of rules) {
      const state = this.#stateOf(rule);
      if (state === undefined) continue;
      wasFull ||= rule.algorithm === 'concurrency' && isFull(rule, state as ConcurrencyState, now);
      const refunded = rateAlgorithms[rule.algorithm].refund(rule, state, now, cost, token);
      this.#setState(rule, refunded, now);
    }
    this.#answers.delete(answerKey(subject, token));
    if (wasFull || !wakeOnlyIfFull) this.#wake(subject);
  }

  async renew(rules: readonly RateRule[], token: string): Promise<boolean> {
    const now = this.#now();
    let all = true;
    for (const rule of rules) {
      if (rule.algorithm !== 'concurrency') continue;
      const slots = this.#stateOf(rule) as ConcurrencyState | undefined;
      if (slots !== undefined && renewSlot(rule, slots, now, token)) this.#setState(rule, slots, now);
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

  /** The number of counts, blocks and replies that have not expired. @internal for tests */
  get size(): number {
    return this.#counts.size + this.#blocks.size + this.#answers.size;
  }

  /** This process' clock in whole microseconds. */
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

  #takeUnits(rule: RateRule, now: number, cost: number, token: string): void {
    const state = rateAlgorithms[rule.algorithm].consume(rule, this.#stateOf(rule), now, cost, token);
    this.#setState(rule, state, now);
  }

  #setState(rule: RateRule, state: unknown, now: number): void {
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
