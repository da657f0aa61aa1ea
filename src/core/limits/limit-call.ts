import type { MethodLabel } from '../shared/event-publisher.js';
import type { LimitPolicy } from './limit-options.js';
import type { RateRequest, RateStore } from '../ports/rate-store.js';
import type { RuleSet } from './rules.js';

/** One call to a limit, its options resolved. */
export interface LimitCall {
  /** The logical key. */
  readonly key: string;
  /** The key in the store. */
  readonly subject: string;
  /** `Class.method`; undefined for the plain verbs. */
  readonly method: MethodLabel | undefined;
  readonly rules: RuleSet;
  readonly policy: LimitPolicy;
  readonly cost: number;
  /** Identifies a call that may be repeated; undefined: it is not. */
  readonly requestToken: string | undefined;
  /** True: the units are taken even where there is no room. */
  readonly force: boolean;
  /** What the call has taken, and where, so that it can be refunded; undefined until then. */
  taken: TakenUnits | undefined;
}

export interface TakenUnits {
  readonly store: RateStore;
  readonly request: RateRequest;
}
