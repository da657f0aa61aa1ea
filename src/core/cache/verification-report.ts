/** What the verification of the hits of one method has found. */
export interface VerifiedMethod {
  /** `Class.method`; undefined for the plain verbs. */
  readonly method: string | undefined;
  /** Hits whose value was compared with that of a load. */
  readonly verified: number;
  /** Of these: the value was not current, and nobody has invalidated it. Each has published a `stale` event. */
  readonly stale: number;
  /**
   * Of these: the value differed at first, but was invalidated or replaced in time, or the difference was not the same in a
   * second load. These are no mistakes.
   */
  readonly unconfirmed: number;
  /**
   * Chosen hits that were not compared: another one was being verified, the load failed, the entry was gone, or an argument
   * had changed.
   */
  readonly skipped: number;
  /** Where the last stale value differed; undefined if none was stale. */
  readonly path: string | undefined;
}

/** What `verify` has found, by method. As a string it is a text for people. */
export class VerificationReport {
  /** Those with stale values first. */
  readonly methods: readonly VerifiedMethod[];

  /** @internal made by `caching.verification()` */
  constructor(methods: readonly VerifiedMethod[]) {
    this.methods = [...methods].sort((a, b) => b.stale - a.stale);
  }

  /** The methods whose entries are invalidated too rarely. */
  get stale(): readonly VerifiedMethod[] {
    return this.methods.filter(({ stale }) => stale > 0);
  }

  /** One line for each method. */
  toString(): string {
    if (this.methods.length === 0) return 'No hit was verified.';
    return this.methods
      .map(({ method = 'getOrSet, getOrSetMany', verified, stale, path }) =>
        stale === 0
          ? `${method}: none of ${verified} verified hits was stale`
          : `${method}: ${stale} of ${verified} verified hits were stale, the last one at value${path}. Nobody invalidates them`,
      )
      .join('\n');
  }
}
