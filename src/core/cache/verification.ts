import { tagNames, type TagVersion } from '../ports/entry-format.js';
import type { Timer } from '../ports/clock.js';
import { ValueError } from '../shared/errors.js';
import { firstDifference } from '../values/difference.js';
import { serialize } from '../values/serializer.js';
import type { CacheCall, Sample } from './cache-call.js';
import type { CacheContext } from './cache-context.js';
import { LoadControl } from './current-load.js';
import { runVerification } from './load-context.js';
import { restore } from './lookup.js';
import { VerificationReport, type VerifiedMethod } from './verification-report.js';
import type { VerifyPolicy } from './verify-option.js';

/** After a load, no other one starts for so many times its duration: verification takes a tenth of the time of one load. */
const REST = 9;

/** A value that a call has returned from the cache. */
interface Hit {
  readonly call: CacheCall<unknown>;
  readonly sample: Sample;
  readonly verify: VerifyPolicy;
  /** Of its entry, which stands while it has the same token and the same nonces. */
  readonly token: string;
  readonly tags: readonly TagVersion[];
  readonly tier: 'l1' | 'l2';
  /** Of its method. */
  readonly counts: Counts;
}

interface Found {
  readonly value: unknown;
  readonly ageMs: number;
}

type Outcome = 'skipped' | 'current' | 'unconfirmed' | { readonly path: string; readonly ageMs: number };

type Counts = { -readonly [Name in keyof VerifiedMethod]: VerifiedMethod[Name] };

/**
 * Verifies hits, for the option `verify`: runs the method in the background, and compares. A value that differs counts as
 * stale only if all of this holds:
 *
 * 1. The entry that was returned stands after `after`, and again after a second load: the same token, the same nonces. So no
 *    invalidation and no other load has come between.
 * 2. Both loads agree about a part of the value that is another one in the entry. So the part had not just been written, does
 *    not differ from load to load, and was not read from a replica that lags by less than `after`.
 *
 * A writer that invalidates within `after` of its commit is never accused. Its write is before the end of the first load, or
 * the first load would have returned what the entry has; so its invalidation is before the last look at the entry, which
 * would not stand.
 *
 * One load runs at a time, and no call waits for it. One value of a method waits for its second load, so that a method whose
 * values always differ does not keep the others from being verified.
 *
 * @see docs/verify.md
 */
export class Verification {
  readonly #context: CacheContext;
  /** By the name of the method. */
  readonly #counts = new Map<string | undefined, Counts>();
  /** The methods of which a value waits for its second load. */
  readonly #suspects = new Set<Counts>();
  /** The second loads that wait for their turn. */
  readonly #waiting: (() => void)[] = [];
  readonly #timers = new Set<Timer>();
  #isBusy = false;
  /** By this process' clock. */
  #restsUntil = -Infinity;
  #abort: AbortController | undefined;
  #isClosed = false;

  constructor(context: CacheContext) {
    this.#context = context;
  }

  /**
   * Verifies a value that a call returns now. The call does not wait. Never throws.
   * @param sample of the call
   * @param entry what the call has found
   */
  start<T>(
    call: CacheCall<T>,
    sample: Sample,
    { token, tags }: Pick<Hit, 'token' | 'tags'>,
    tier: 'l1' | 'l2',
  ): void {
    const { verify } = call.policy;
    if (this.#isClosed || verify === false) return;
    const counts = this.#countsOf(call.method?.());
    // guard: verification-runs-one-load-at-a-time
    // guard: verification-has-a-budget
    // guard: one-suspect-of-a-method
    if (this.#isBusy || this.#context.clock.now() < this.#restsUntil || this.#suspects.has(counts)) {
      counts.skipped += 1;
      return;
    }
    this.#isBusy = true;
    const hit = { call: call as CacheCall<unknown>, sample, verify, token, tags, tier, counts };
    this.#verify(hit).then(
      (outcome) => this.#count(hit, outcome),
      (error: unknown) => {
        counts.skipped += 1;
        this.#context.events.error('verify', call, error);
      },
    );
  }

  report(): VerificationReport {
    return new VerificationReport([...this.#counts.values()].map((counts) => ({ ...counts })));
  }

  /** Verifies nothing from now on, and tells a load that runs to stop. */
  close(): void {
    this.#isClosed = true;
    this.#abort?.abort(new DOMException('The Caching was closed.', 'AbortError'));
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }

  /** Begins with the turn that `start` has taken. */
  async #verify(hit: Hit): Promise<Outcome> {
    const compared = await this.#withinTurn(async () => {
      const entry = await this.#find(hit);
      const first = entry === undefined ? undefined : await this.#load(hit);
      return entry === undefined || first === undefined ? undefined : { entry, first };
    });
    if (compared === undefined) return 'skipped';
    const { entry, first } = compared;
    if (differenceOf(hit, entry.value, first.value, first.value) === undefined) return 'current';
    this.#suspects.add(hit.counts);
    try {
      return await this.#confirm(hit, first.value, entry.ageMs);
    } finally {
      this.#suspects.delete(hit.counts);
    }
  }

  /** @param first what the first load has returned: not what the entry has */
  async #confirm(hit: Hit, first: unknown, ageMs: number): Promise<Outcome> {
    // guard: writer-has-time-to-invalidate
    await this.#pause(hit.verify.after);
    // guard: entry-that-has-ended-is-not-loaded-again
    if ((await this.#find(hit)) === undefined) return 'unconfirmed';
    // guard: second-loads-take-turns
    if (this.#isBusy) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#isBusy = true;
    const second = await this.#withinTurn(() => this.#load(hit));
    // guard: stale-entry-stands-after-the-second-load
    const entry = second === undefined ? undefined : await this.#find(hit);
    if (second === undefined || entry === undefined) return 'unconfirmed';
    // guard: both-loads-agree
    const path = differenceOf(hit, entry.value, first, second.value);
    return path === undefined ? 'unconfirmed' : { path, ageMs };
  }

  /** Runs `work` in the turn that the caller has taken, and then gives the turn to the next one. */
  async #withinTurn<T>(work: () => Promise<T>): Promise<T> {
    const { clock } = this.#context;
    const startedAt = clock.now();
    try {
      return await work();
    } finally {
      const now = clock.now();
      this.#restsUntil = now + REST * (now - startedAt);
      const next = this.#waiting.shift();
      if (next === undefined) this.#isBusy = false;
      else next();
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#context.clock.after(ms, () => {
        this.#timers.delete(timer);
        resolve();
      });
      this.#timers.add(timer);
    });
  }

  /**
   * Reads the entry that was returned.
   *
   * @returns undefined if it does not stand: it was invalidated, replaced or evicted, or an invalidation of it is queued
   * @throws StoreUnavailableError
   */
  async #find({ call: { key, policy }, token, tags }: Hit): Promise<Found | undefined> {
    const { format, names, pending, store } = this.#context;
    const tagsOfEntry = tagNames(tags);
    const entryKey = names.entry(key);
    // guard: queued-invalidation-is-not-forgotten
    if (pending.matches(key, tagsOfEntry)) return undefined;
    const { record, nonces, storeTime } = await store.read(
      entryKey,
      names.nonces(tagsOfEntry),
      policy.storeTimeout,
    );
    const entry = record === null ? undefined : format.decode(key, record);
    // guard: entry-in-question-is-the-one-that-was-returned
    if (entry?.token !== token) return undefined;
    // guard: entry-in-question-has-its-clear-nonce
    if (entry.clearNonce !== nonces[0]) return undefined;
    // guard: entry-in-question-has-its-tag-nonces
    if (!tags.every(({ nonce }, i) => nonces[i + 1] === nonce)) return undefined;
    const restored = restore(entry, policy);
    if (restored.cause !== undefined) return undefined;
    const now = storeTime ?? (await store.time(entryKey, policy.storeTimeout));
    return { value: restored.value, ageMs: now - entry.loadStart };
  }

  /**
   * Runs the method, and makes of its result what a call would read from the store.
   *
   * @returns undefined if there is nothing to compare: it fails, takes longer than `loadTimeout`, or its result cannot be
   * stored
   */
  async #load({ call, sample }: Hit): Promise<{ readonly value: unknown } | undefined> {
    const { clock } = this.#context;
    const { key, policy, resultTags, site } = call;
    // guard: changed-arguments-are-not-verified
    if (this.#isClosed || !hasItsKey(sample)) return undefined;
    const abort = (this.#abort = new AbortController());
    const current = new LoadControl({
      key,
      signal: () => abort.signal,
      stale: undefined,
      hasResultTags: resultTags !== undefined,
    });
    const identity = { engine: this.#context, key, site, current };
    const load = sample.load ?? call.load;
    const loaded = await new Promise<{ readonly value: unknown } | undefined>((resolve) => {
      // guard: verification-leaves-a-load-that-hangs
      const timer = clock.after(policy.loadTimeout, () => {
        abort.abort(new DOMException('The load of a verification took too long.', 'TimeoutError'));
        resolve(undefined);
      });
      const settle = (result: { readonly value: unknown } | undefined): void => {
        timer.cancel();
        resolve(result);
      };
      runVerification(identity, load).then(
        (value) => settle({ value }),
        // guard: load-that-fails-accuses-nobody
        () => settle(undefined),
      );
    });
    return loaded === undefined ? undefined : asStored(call, loaded.value);
  }

  #count({ call, counts, tier }: Hit, outcome: Outcome): void {
    if (outcome === 'skipped') {
      counts.skipped += 1;
      return;
    }
    counts.verified += 1;
    if (outcome === 'unconfirmed') counts.unconfirmed += 1;
    if (typeof outcome === 'string') return;
    const { path, ageMs } = outcome;
    counts.stale += 1;
    counts.path = path;
    this.#context.events.publish('stale', call.method, { key: call.key, ageMs, tier, path });
  }

  #countsOf(method: string | undefined): Counts {
    let counts = this.#counts.get(method);
    if (counts === undefined) {
      counts = { method, verified: 0, stale: 0, unconfirmed: 0, skipped: 0, path: undefined };
      this.#counts.set(method, counts);
    }
    return counts;
  }
}

/** Where a stored value differs from what two loads have returned, and agree about; undefined: nowhere. */
function differenceOf(
  { call, verify: { part = (value) => value } }: Hit,
  stored: unknown,
  first: unknown,
  second: unknown,
): string | undefined {
  const instanceData = call.policy.serializer?.instanceData;
  return firstDifference(part(stored), [part(first), part(second)], instanceData);
}

/** False also for arguments that have no valid key any more. */
function hasItsKey(sample: Sample): boolean {
  try {
    return sample.hasItsKey();
  } catch {
    return false;
  }
}

/** A loaded value as it would come back from the store; undefined if it cannot be stored. */
function asStored({ policy }: CacheCall<unknown>, value: unknown): { readonly value: unknown } | undefined {
  const { serializer } = policy;
  try {
    // guard: values-are-compared-as-they-are-stored
    const restored = restore(
      serialize(policy, serializer === undefined ? value : serializer.accept(value).stored),
      policy,
    );
    return restored.cause === undefined ? restored : undefined;
  } catch (error) {
    if (error instanceof ValueError) return undefined;
    throw error;
  }
}
