import { AsyncLocalStorage } from 'node:async_hooks';
import { types } from 'node:util';
import { L1Entry } from '../l1/l1-entry.js';
import type { L1Settings } from '../l1/l1-options.js';
import type { Clock } from '../ports/clock.js';
import { describe } from '../shared/describe.js';
import { OptionsError, ValueError } from '../shared/errors.js';
import { shared } from '../shared/registry.js';
import { serialize } from '../values/serializer.js';
import type { CacheCall } from './cache-call.js';
import { ttlOf } from './result-ttl.js';
import type { InvalidationTarget } from './pending-invalidations.js';

/** What one request remembers. */
interface Memo {
  /** By the `RequestMemo` of each `Caching`, then by key. */
  readonly values: Map<object, RememberedValues>;
  /** False once the request has ended. */
  isActive: boolean;
}

type RememberedValues = Map<string, Remembered>;

interface Remembered {
  /** For the callers after the first one. */
  readonly read: () => Promise<unknown>;
  /** By this process' clock. Infinity until the value is there. */
  expiresAt: number;
}

/** A request that reads more keys forgets what it has remembered, so that a long job does not fill the memory. */
const MAX_KEYS = 10_000;

const state = shared('memo', () => ({
  storage: new AsyncLocalStorage<Memo>(),
  /** True once `withRequestMemo` has been used. Until then calls skip the lookup in `storage`. */
  isUsed: false,
}));

/**
 * Runs `work`, the handling of one request. In it, a cached call with a key that was read before returns the same value at
 * once: it asks neither the memory of the process nor the store, and runs no method.
 *
 * An invalidation in the request ends what it covers. Those of other requests and processes are not seen before the request
 * ends: it reads a snapshot (docs/context.md). A value is remembered for its ttl at most, and an error is not remembered.
 * The memo ends when the promise that `work` returns has settled; without a promise, when nothing runs in it any more. A
 * memo within another one is the outer one.
 *
 * @returns what `work` returns
 * @throws OptionsError if `work` is not a function; and what `work` throws
 * @example
 * await withRequestMemo(() => caching.cache.getOrSet('user:42', () => db.user('42'), { ttl: '5m' }));
 */
export function withRequestMemo<T>(work: () => T): T {
  if (typeof work !== 'function') {
    throw new OptionsError(`withRequestMemo takes a function to run, and ${describe(work)} was given.`);
  }
  if (currentMemo() !== undefined) return work();
  state.isUsed = true;
  const memo: Memo = { values: new Map(), isActive: true };
  const result = state.storage.run(memo, work);
  if (!types.isPromise(result)) return result;
  return result.finally(() => {
    // guard: memo-ends-with-its-request
    memo.isActive = false;
    memo.values.clear();
  }) as T;
}

function currentMemo(): Memo | undefined {
  if (!state.isUsed) return undefined;
  const memo = state.storage.getStore();
  return memo?.isActive === true ? memo : undefined;
}

/** The view that one `Caching` has of the memos of requests. */
export class RequestMemo {
  readonly #settings: L1Settings;
  readonly #clock: Clock;

  /** @param settings `values` decides whether callers share a value, as in the L1 */
  constructor(settings: L1Settings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
  }

  /** What the current request remembers; undefined if it has no memo. */
  current(): RememberedValues | undefined {
    const memo = currentMemo();
    if (memo === undefined) return undefined;
    let values = memo.values.get(this);
    if (values === undefined) memo.values.set(this, (values = new Map()));
    return values;
  }

  /** True if the current request remembers the key. */
  has(key: string): boolean {
    const known = this.current()?.get(key);
    return known !== undefined && this.#clock.now() < known.expiresAt;
  }

  /**
   * Returns what the request has read before, or reads it.
   * @param values those of `current`
   */
  read<T>(values: RememberedValues, call: CacheCall<T>, read: () => Promise<T>): Promise<T> {
    const { key } = call;
    const known = values.get(key);
    const now = this.#clock.now();
    // guard: memo-keeps-no-value-beyond-its-ttl
    if (known !== undefined && now < known.expiresAt) return known.read() as Promise<T>;
    const result = read();
    const remembered: Remembered = {
      read: this.#settings.values === 'reference' ? () => result : this.#copies(call, result),
      expiresAt: Infinity,
    };
    if (values.size >= MAX_KEYS) values.clear();
    values.set(key, remembered);
    const forget = (): void => {
      if (values.get(key) === remembered) values.delete(key);
    };
    result.then(
      (value) => {
        const ttl = memoTtl(call, value);
        if (ttl > 0) remembered.expiresAt = now + ttl;
        else forget();
      },
      // guard: memo-forgets-errors
      forget,
    );
    return result;
  }

  /** The current request invalidates entries. */
  invalidate({ keys, tags, all }: InvalidationTarget): void {
    const values = this.current();
    if (values === undefined) return;
    for (const key of keys) values.delete(key);
    // Which tags a remembered value has is known only for some: a tag ends all.
    // guard: memo-ends-with-every-tag
    if (all || tags.length > 0) values.clear();
  }

  /** For `cloned` and `frozen`: later callers do not share the object that the first one has got. */
  #copies<T>(call: CacheCall<T>, result: Promise<T>): () => Promise<unknown> {
    // Encoded before the first caller has the value, and may change it.
    const entry = result.then((value) => this.#entryOf(call, value));
    entry.catch(() => {});
    return async () => (await entry)?.read() ?? result;
  }

  /** Undefined for a value that cannot be copied, which is shared, as by the callers of one load. */
  #entryOf<T>({ key, policy }: CacheCall<T>, value: T): L1Entry | undefined {
    try {
      // The schema has seen the value before.
      const serializer = policy.serializer?.withoutSchema;
      const encoded = serialize({ ...policy, serializer }, value);
      if (serializer?.decode(encoded.codec, encoded.payload, Infinity).cause !== undefined) return undefined;
      const entry = { token: '', clearNonce: '', tags: [], ...encoded };
      const record = { entry, decoded: undefined, expiresAt: Infinity, serializer };
      return new L1Entry(key, record, [], this.#settings, { at: 0, epoch: 0 });
    } catch (error) {
      if (error instanceof ValueError) return undefined;
      throw error;
    }
  }
}

/** How long a value may be remembered, in ms. 0: it would not be stored either. */
function memoTtl<T>(call: CacheCall<T>, value: T): number {
  try {
    return call.unless?.(value) === true ? 0 : ttlOf(call, value);
  } catch {
    return 0;
  }
}
