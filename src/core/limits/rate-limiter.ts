import { Backoff } from '../shared/backoff.js';
import { allowAll, decide, decideWithoutStore } from './decide.js';
import type { Decision } from '../ports/decision.js';
import { DenialCache } from './denial-cache.js';
import { StoreUnavailableError } from '../shared/errors.js';
import type { LimitCall } from './limit-call.js';
import { LocalRateStore } from './local-rate-store.js';
import type { Clock } from '../ports/clock.js';
import type { RateReply, RateRequest, RateRule, RateStore } from '../ports/rate-store.js';
import { ReleaseRetries } from '../shared/release-retries.js';
import type { EventPublisher } from '../shared/event-publisher.js';
import { storeRules } from './rules.js';
import { newToken } from '../shared/token.js';

/** What a new connection takes, in ms, if nothing else is wrong. */
const RECONNECT_MS = 100;
const MAX_RETRY_PAUSE_MS = 400;
/** With less time than this, a repeated request would end before its reply comes. */
const MIN_RETRY_PAUSE_MS = 10;
const MAX_LOCAL_KEYS = 100_000;

/** Decides about a call: from what is known locally, by the store, or by the policy for a store that does not answer. */
export class RateLimiter {
  readonly denials: DenialCache;
  readonly releases: ReleaseRetries;
  /** What this process counts while the store is away: its share of each limit. */
  readonly fallback: LocalRateStore;
  readonly #store: RateStore;
  readonly #clock: Clock;
  readonly #events: EventPublisher;

  constructor(store: RateStore, clock: Clock, events: EventPublisher, wake: (subject: string) => void) {
    this.#store = store;
    this.#clock = clock;
    this.#events = events;
    this.denials = new DenialCache(clock);
    this.releases = new ReleaseRetries(clock);
    this.fallback = new LocalRateStore(clock, { maxKeys: MAX_LOCAL_KEYS }, wake);
  }

  /** The decision if the store need not be asked: a rule with a limit of 0, or a denial that still holds. */
  decideLocally(call: LimitCall): Decision | undefined {
    const { rules, force } = call;
    if (rules.activeRules.length === 0 || (rules.zeroRule !== undefined && !force)) {
      return decideWithoutStore(rules, 'none');
    }
    return usesDenials(call) ? this.denials.find(call) : undefined;
  }

  /** @throws StoreUnavailableError under the policy `deny` */
  async decideByStore(call: LimitCall): Promise<Decision> {
    const { subject, rules, policy, cost, requestToken, force } = call;
    const asked = storeRules(rules.activeRules, subject);
    const token = requestToken ?? newToken();
    const repeatable = requestToken !== undefined;
    const request: RateRequest = { subject, rules: asked, cost, token, repeatable, force: force };
    const askedAt = this.#clock.now();
    const { sequence } = this.denials;
    let reply: RateReply;
    try {
      reply = await this.#consume(request, policy.storeTimeout, askedAt);
    } catch (error) {
      return this.#decideByPolicy(call, request, error);
    }
    const decision = decide(rules, asked, reply, 'store');
    if (!decision.allowed && usesDenials(call)) this.denials.add(call, decision, askedAt, sequence);
    if (decision.allowed && cost > 0) call.taken = { store: this.#store, request };
    return decision;
  }

  /** @throws StoreUnavailableError under the policy `deny` */
  async refund({ subject, rules, policy, cost, requestToken, key, method }: LimitCall): Promise<void> {
    const token = requestToken ?? newToken();
    const request = {
      subject,
      rules: storeRules(rules.activeRules, subject),
      cost,
      token,
      wakeOnlyIfFull: false,
    };
    try {
      await this.#store.refund(request, policy.storeTimeout);
    } catch (error) {
      const failure = this.#events.unavailable('refund', { key, method }, error);
      if (policy.onUnavailable === 'deny') throw failure;
      await this.fallback.refund({ ...request, rules: shareRules(request.rules, policy.processes) });
    } finally {
      this.denials.drop(subject);
    }
  }

  /**
   * Sends a request that may be repeated again, after a pause, when its reply was lost: until the store answers or the
   * time is used up. Later attempts may fail because the connection is not there yet: the first may still have been
   * counted, so its error is the one that is thrown.
   */
  async #consume(request: RateRequest, timeoutMs: number, askedAt: number): Promise<RateReply> {
    const backoff = new Backoff(this.#clock, RECONNECT_MS, MAX_RETRY_PAUSE_MS);
    let lost: StoreUnavailableError | undefined;
    for (;;) {
      const remainingMs = timeoutMs - (this.#clock.now() - askedAt);
      try {
        return await this.#store.consume(request, remainingMs);
      } catch (error) {
        // guard: request-without-a-name-is-sent-once
        if (!request.repeatable || !(error instanceof StoreUnavailableError)) throw error;
        // guard: lost-request-is-repeated-until-it-is-answered
        if (lost === undefined && error.outcome !== 'unknown') throw error;
        lost ??= error;
      }
      const pauseMs = Math.min(backoff.next(), (timeoutMs - (this.#clock.now() - askedAt)) / 2);
      if (pauseMs < MIN_RETRY_PAUSE_MS) throw lost;
      await this.#pause(pauseMs);
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#clock.after(ms, resolve));
  }

  async #decideByPolicy(call: LimitCall, request: RateRequest, error: unknown): Promise<Decision> {
    const { rules, policy } = call;
    const failure = this.#events.unavailable('limit', call, error);
    // guard: slots-of-a-lost-request-are-released
    if (failure.outcome === 'unknown' && rules.concurrencyRules.length > 0) this.#releaseSlots(request);
    switch (policy.onUnavailable) {
      case 'deny':
        throw failure;
      case 'allow':
        return allowAll(rules, 'fallback');
      case 'local': {
        const share = shareRequest(request, policy.processes);
        const decision = decide(rules, share.rules, await this.fallback.consume(share), 'fallback');
        if (decision.allowed && share.cost > 0) call.taken = { store: this.fallback, request: share };
        return decision;
      }
    }
  }

  /** The store may have given the slots, or may yet, and nobody would renew them. */
  #releaseSlots({ subject, rules, token }: RateRequest): void {
    const slots = rules.filter(({ algorithm }) => algorithm === 'concurrency');
    const until = this.#clock.now() + Math.max(...slots.map(({ perMs }) => perMs));
    const refund = { subject, rules: slots, cost: 1, token, wakeOnlyIfFull: true };
    void this.releases.release(() => this.#store.refund(refund), until);
  }
}

function usesDenials({ policy, cost, force }: LimitCall): boolean {
  return policy.denialCache && cost > 0 && !force;
}

/** The request for one of several processes. A cost over the share takes all of the share. */
function shareRequest(request: RateRequest, processes: number): RateRequest {
  // guard: process-counts-its-share-only
  if (processes === 1) return request;
  const rules = shareRules(request.rules, processes);
  const windows = rules.filter(({ algorithm }) => algorithm !== 'concurrency');
  const most = Math.min(Infinity, ...windows.map(({ burst }) => burst));
  return { ...request, rules, cost: request.force ? request.cost : Math.min(request.cost, most) };
}

function shareRules(rules: readonly RateRule[], processes: number): RateRule[] {
  return rules.map((rule) => ({
    ...rule,
    limit: Math.ceil(rule.limit / processes),
    burst: Math.ceil(rule.burst / processes),
  }));
}
