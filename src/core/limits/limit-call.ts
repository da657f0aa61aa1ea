import type { MethodLabel } from '../shared/event-publisher.js';
import type { LimitPolicy } from './limit-options.js';
import type { RateRequest, RateStore } from '../ports/rate-store.js';
import type { RuleSet } from './rules.js';

/** A call to a limit, with resolved options. */
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
  /** Identifies a repeatable request; undefined if the request must not be repeated. */
  readonly requestToken: string | undefined;
  /** True: the units are taken even without room. */
  readonly force: boolean;
  /** The units that the call has taken, for a refund; undefined until then. */
  taken: TakenUnits | undefined;
}

/** Units that a call has taken, and the store that counts them. */
export interface TakenUnits {
  readonly store: RateStore;
  readonly request: RateRequest;
}
