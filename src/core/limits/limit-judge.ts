import { BlockCache } from './block-cache.js';
import { decide, decideAllowed, decideUnasked } from './decide.js';
import type { Decision } from './decision.js';
import { StoreUnavailableError } from '../errors.js';
import type { LimitCall } from './limit-call.js';
import { LimitFallback, shareRules } from './limit-fallback.js';
import type { Clock, RateReply, RateRequest, RateStore } from '../ports.js';
import { ReleaseRetries } from '../release-retries.js';
import type { Reporter } from '../reporter.js';
import { storeRules } from './rule-set.js';
import { newToken } from '../token.js';

/** What a new connection takes, in ms, where nothing else is wrong. */
const RECONNECT = 100;

/** Who decides over a call: what is known here, the store, or the policy for a store that does not answer. */
export class LimitJudge {
  readonly #store: RateStore;
  readonly #clock: Clock;
  readonly #reporter: Reporter;
  readonly refusals: BlockCache;
  readonly releases: ReleaseRetries;
  readonly fallback: LimitFallback;

  constructor(store: RateStore, clock: Clock, reporter: Reporter, wake: (subject: string) => void) {
    this.#store = store;
    this.#clock = clock;
    this.#reporter = reporter;
    this.refusals = new BlockCache(clock);
    this.releases = new ReleaseRetries(clock);
    this.fallback = new LimitFallback(clock, wake);
  }

  /** What is known without asking: rules that admit nothing, a refusal that still holds. */
  known(call: LimitCall): Decision | undefined {
    const { set, forced } = call;
    if (set.counted.length === 0 || (set.closed !== undefined && !forced)) return decideUnasked(set, 'none');
    return remembers(call) ? this.refusals.find(call) : undefined;
  }

  /** @throws StoreUnavailableError under the policy `deny` */
  async ask(call: LimitCall): Promise<Decision> {
    const { subject, set, policy, cost, requestToken, forced } = call;
    const rules = storeRules(set.counted, subject);
    const token = requestToken ?? newToken();
    const request = { subject, rules, cost, token, repeatable: requestToken !== undefined, forced };
    const since = this.#clock.now();
    const { asOf } = this.refusals;
    let reply: RateReply;
    try {
      reply = await this.#consume(request, policy.budget, since);
    } catch (error) {
      return this.#withoutStore(call, request, error);
    }
    const decision = decide(set, rules, reply, 'store');
    if (!decision.allowed && remembers(call)) this.refusals.remember(call, decision, since, asOf);
    if (decision.allowed && cost > 0) call.taken = { store: this.#store, request };
    return decision;
  }

  /** @throws StoreUnavailableError under the policy `deny` */
  async giveBack({ subject, set, policy, cost, requestToken, key, method }: LimitCall): Promise<void> {
    const token = requestToken ?? newToken();
    const request = { subject, rules: storeRules(set.counted, subject), cost, token };
    try {
      await this.#store.refund({ ...request, quiet: false }, policy.budget);
    } catch (error) {
      const failure = this.#reporter.unavailable('refund', { key, method }, error);
      if (policy.onUnavailable === 'deny') throw failure;
      const rules = shareRules(request.rules, policy.processes);
      await this.fallback.store.refund({ ...request, rules, quiet: false });
    } finally {
      this.refusals.drop(subject);
    }
  }

  /**
   * A request that may be repeated is, once, if its reply was lost while there is still time. Not at once: what is
   * lost is lost with its connection, and the next one takes a moment.
   */
  async #consume(request: RateRequest, budget: number, since: number): Promise<RateReply> {
    if (!request.repeatable) return this.#store.consume(request, budget);
    try {
      return await this.#store.consume(request, budget);
    } catch (error) {
      const left = (): number => budget - (this.#clock.now() - since);
      if (!(error instanceof StoreUnavailableError) || error.outcome === 'refused' || left() <= 0)
        throw error;
      await this.#pause(Math.min(left() / 2, RECONNECT * (0.75 + this.#clock.random() / 2)));
      return this.#store.consume(request, left());
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#clock.after(ms, resolve));
  }

  async #withoutStore(call: LimitCall, request: RateRequest, error: unknown): Promise<Decision> {
    const { set, policy } = call;
    const failure = this.#reporter.unavailable('limit', call, error);
    if (failure.outcome === 'unknown' && set.slots.length > 0) this.#giveBackSlots(request);
    switch (policy.onUnavailable) {
      case 'deny':
        throw failure;
      case 'allow':
        return decideAllowed(set, 'fallback');
      case 'local': {
        const { store } = this.fallback;
        const share = this.fallback.share(request, policy.processes);
        const decision = decide(set, share.rules, await store.consume(share), 'fallback');
        if (decision.allowed && share.cost > 0) call.taken = { store, request: share };
        return decision;
      }
    }
  }

  /** They may have been taken, or may yet be, and nobody would renew them. */
  #giveBackSlots({ subject, rules, token }: RateRequest): void {
    const slots = rules.filter(({ algorithm }) => algorithm === 'concurrency');
    const until = this.#clock.now() + Math.max(...slots.map(({ perMs }) => perMs));
    const refund = { subject, rules: slots, cost: 1, token, quiet: true };
    void this.releases.release(() => this.#store.refund(refund), until);
  }
}

/** May a refusal of this call be remembered, or a remembered one be its answer? */
function remembers({ policy, cost, forced }: LimitCall): boolean {
  return policy.blockCache && cost > 0 && !forced;
}
