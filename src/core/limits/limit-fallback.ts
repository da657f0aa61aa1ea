import { LocalRateStore } from './local-rate-store.js';
import type { Clock, RateRequest, RateRule } from '../ports.js';

const MOST_KEYS = 100_000;

/** What this process counts for itself while the store is away: its share of each limit. Bounded. */
export class LimitFallback {
  readonly store: LocalRateStore;

  constructor(clock: Clock, wake: (subject: string) => void) {
    this.store = new LocalRateStore(clock, { maxKeys: MOST_KEYS }, wake);
  }

  /** The request, for one of so many processes. What costs more than the share takes all of it. */
  share(request: RateRequest, processes: number): RateRequest {
    if (processes === 1) return request;
    const rules = shareRules(request.rules, processes);
    const most = Math.min(
      ...rules.map(({ burst, algorithm }) => (algorithm === 'concurrency' ? Infinity : burst)),
    );
    return { ...request, rules, cost: request.forced ? request.cost : Math.min(request.cost, most) };
  }
}

export function shareRules(rules: readonly RateRule[], processes: number): RateRule[] {
  return rules.map((rule) => ({
    ...rule,
    limit: Math.ceil(rule.limit / processes),
    burst: Math.ceil(rule.burst / processes),
  }));
}
