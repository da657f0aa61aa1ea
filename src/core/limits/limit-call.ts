import type { LimitPolicy } from './limit-options.js';
import type { RateRequest, RateStore } from '../ports.js';
import type { RuleSet } from './rule-set.js';

/** One request to a limit, on its way through. */
export interface LimitCall {
  /** The logical key. */
  readonly key: string;
  readonly subject: string;
  /** `Class.method`; undefined for the plain verbs. */
  readonly method: string | undefined;
  readonly set: RuleSet;
  readonly policy: LimitPolicy;
  readonly cost: number;
  /** By which it is known if it comes again; undefined: it does not. */
  readonly requestToken: string | undefined;
  readonly forced: boolean;
  /** Who took its units, and as what, so that they can be given back; undefined while nobody has. */
  taken: Taken | undefined;
}

export interface Taken {
  readonly store: RateStore;
  readonly request: RateRequest;
}
