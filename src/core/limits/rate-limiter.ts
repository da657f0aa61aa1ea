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

/** How long a reconnect takes, in ms, if the server is available. */
const RECONNECT_MS = 100;
const MAX_RETRY_PAUSE_MS = 400;
/** With a shorter pause, the remaining time would be too short for a reply. */
const MIN_RETRY_PAUSE_MS = 10;
const MAX_LOCAL_KEYS = 100_000;

/** Decides about calls: locally if possible, else by the store, or by `onUnavailable` if the store does not answer. */
export class RateLimiter {
  readonly denials: DenialCache;
  readonly releases: ReleaseRetries;
  /** Counts while the store does not answer, up to this process' share of each limit. */
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

  /** Decides without the store, by a rule with a limit of 0 or a cached denial. Undefined if the store is needed. */
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
    const requested = storeRules(rules.activeRules, subject);
    const token = requestToken ?? newToken();
    const repeatable = requestToken !== undefined;
    const request: RateRequest = { subject, rules: requested, cost, token, repeatable, force };
    const requestedAt = this.#clock.now();
    const { sequence } = this.denials;
    let reply: RateReply;
    try {
      // guard: request-without-a-name-is-sent-once
      reply = await (repeatable
        ? this.#consumeRepeatedly(request, policy.storeTimeout, requestedAt)
        : this.#store.consume(request, policy.storeTimeout));
    } catch (error) {
      return this.#decideByPolicy(call, request, error);
    }
    const decision = decide(rules, requested, reply, 'store');
    if (!decision.allowed && usesDenials(call)) this.denials.add(call, decision, requestedAt, sequence);
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
   * Sends a repeatable request. If its reply is lost, sends it again after a pause, until the store answers or the timeout
   * has passed. Later attempts may fail only because the connection is not open yet, while the first one may have been
   * counted: its error is the one that is thrown.
   */
  async #consumeRepeatedly(request: RateRequest, timeoutMs: number, requestedAt: number): Promise<RateReply> {
    const backoff = new Backoff(this.#clock, RECONNECT_MS, MAX_RETRY_PAUSE_MS);
    let firstError: StoreUnavailableError | undefined;
    for (;;) {
      const remainingMs = timeoutMs - (this.#clock.now() - requestedAt);
      try {
        return await this.#store.consume(request, remainingMs);
      } catch (error) {
        if (!(error instanceof StoreUnavailableError)) throw error;
        // guard: lost-request-is-repeated-until-it-is-answered
        if (firstError === undefined && error.outcome !== 'unknown') throw error;
        firstError ??= error;
      }
      const pauseMs = Math.min(backoff.next(), (timeoutMs - (this.#clock.now() - requestedAt)) / 2);
      if (pauseMs < MIN_RETRY_PAUSE_MS) throw firstError;
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

  /** Releases slots that the store may have granted although the reply was lost: no call would renew them. */
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

/** The request with this process' share of each limit. A cost over the share takes the whole share. */
function shareRequest(request: RateRequest, processes: number): RateRequest {
  // guard: process-counts-its-share-only
  if (processes === 1) return request;
  const rules = shareRules(request.rules, processes);
  const windows = rules.filter(({ algorithm }) => algorithm !== 'concurrency');
  const smallestBurst = Math.min(Infinity, ...windows.map(({ burst }) => burst));
  return { ...request, rules, cost: request.force ? request.cost : Math.min(request.cost, smallestBurst) };
}

function shareRules(rules: readonly RateRule[], processes: number): RateRule[] {
  return rules.map((rule) => ({
    ...rule,
    limit: Math.ceil(rule.limit / processes),
    burst: Math.ceil(rule.burst / processes),
  }));
}
