import { AsyncLocalStorage } from 'node:async_hooks';
import type { LoadSite } from './cache-call.js';
import type { CurrentLoad } from './current-load.js';
import type { AwaitedLoad } from './load-bulkhead.js';
import type { TagVersion } from '../ports/entry-format.js';
import { shared } from '../shared/registry.js';

/**
 * Returns the load that runs the current method or loader, or undefined: the call is not cached (`enabled: false`, `when`), or
 * this is no load.
 *
 * @example
 * @Cached({ key: 'report:{0}', ttl: '1h', hardTimeout: '5s' })
 * async report(id: string): Promise<string> {
 *   const response = await fetch(`http://reports/${id}`, { signal: currentLoad()?.signal ?? null });
 *   return response.text();
 * }
 */
export function currentLoad(): CurrentLoad | undefined {
  const context = currentLoadContext();
  return context?.isActive === true ? context.current : undefined;
}

/** A running load, and the load that called it. */
export interface LoadContext {
  /** The engine it belongs to: another `Caching` may load the same key. */
  readonly engine: object;
  readonly key: string;
  readonly site: LoadSite | undefined;
  readonly load?: AwaitedLoad | undefined;
  /** What the loader can ask and tell about its load. */
  readonly current?: CurrentLoad | undefined;
  /** True for the write of a put, which holds the lease as a load does. */
  readonly isWrite?: boolean | undefined;
  /** Of this load, or of the nearest one around it that has one. */
  readonly tracker: TagTracker | undefined;
  readonly outer: LoadContext | undefined;
  /** True if it only verifies a value: the cached calls that it makes run uncached. */
  readonly isVerification?: boolean | undefined;
  /** False once the load has ended: work that it left running is not part of it. */
  readonly isActive: boolean;
}

interface ActiveContext extends LoadContext {
  isActive: boolean;
}

const loads = shared('loads', () => ({ contexts: new AsyncLocalStorage<LoadContext>(), active: 0 }));

/** The load that makes the current call. Does not read the AsyncLocalStorage while no load runs, to keep hits fast. */
export function currentLoadContext(): LoadContext | undefined {
  return loads.active === 0 ? undefined : loads.contexts.getStore();
}

/** The active load of the same key that makes the current call. Waiting for it would deadlock. */
export function enclosingLoadOf(
  context: LoadContext | undefined,
  engine: object,
  key: string,
): LoadContext | undefined {
  // guard: enclosing-load-at-any-depth
  for (let enclosing = context; enclosing !== undefined; enclosing = enclosing.outer) {
    // guard: ended-load-encloses-nothing
    // guard: enclosing-load-is-of-this-caching
    if (enclosing.key === key && enclosing.engine === engine && enclosing.isActive) return enclosing;
  }
  return undefined;
}

/** Runs a loader within its own LoadContext, which the cached calls it makes can find. */
export async function runLoader<T>(
  identity: Pick<LoadContext, 'engine' | 'key' | 'site' | 'load' | 'current' | 'isWrite'>,
  tracker: TagTracker | undefined,
  load: () => Promise<T>,
): Promise<T> {
  const outer = currentLoadContext();
  return runIn({ ...identity, tracker: tracker ?? outer?.tracker, outer, isActive: true }, load);
}

/**
 * Runs a loader to verify a value. The load that has made the call, if there is one, is not told: the loader runs beside it.
 * Cached calls in it run uncached, in every `Caching`, so that it asks what the values come from.
 */
export function runVerification<T>(
  identity: Pick<LoadContext, 'engine' | 'key' | 'site' | 'current'>,
  load: () => Promise<T>,
): Promise<T> {
  // guard: verification-is-no-part-of-a-load
  return runIn(
    { ...identity, tracker: undefined, outer: undefined, isVerification: true, isActive: true },
    load,
  );
}

async function runIn<T>(context: ActiveContext, load: () => Promise<T>): Promise<T> {
  loads.active++;
  try {
    return await loads.contexts.run(context, load);
  } finally {
    loads.active--;
    context.isActive = false;
    // Until Node.js 24, a storage in use makes every promise of the process slower: a hit takes a third longer.
    if (loads.active === 0) loads.contexts.disable();
  }
}

/**
 * Runs the loader of a batch within the loads of all its ids: none of them may wait for itself, and each has the tags of the
 * cached calls that the loader makes.
 */
export async function runWithinLoads<T>(batch: readonly LoadContext[], work: () => Promise<T>): Promise<T> {
  const trackers = [...new Set(batch.flatMap(({ tracker }) => (tracker === undefined ? [] : [tracker])))];
  const tracker = trackers.length === 0 ? undefined : new TagTrackers(trackers);
  let inner: LoadContext | undefined;
  for (const own of batch) {
    const outer: LoadContext | undefined = inner ?? own.outer;
    inner = {
      engine: own.engine,
      key: own.key,
      site: own.site,
      load: own.load,
      tracker,
      outer,
      get isActive() {
        return own.isActive;
      },
    };
  }
  // guard: batch-runs-within-its-loads
  return inner === undefined ? work() : loads.contexts.run(inner, work);
}

/**
 * Runs a call that is not cached. A load that makes it is not the load of this call, and cannot know its tags: with
 * `inheritTags` it must not be stored.
 */
export function runUncached<T>(work: () => T): T {
  const outer = currentLoadContext();
  if (outer === undefined) return work();
  // guard: uncached-call-has-unknown-tags
  outer.tracker?.add(undefined);
  // The rest is that of the load, also when it ends.
  const context = Object.create(outer, { current: { value: undefined } }) as LoadContext;
  // guard: uncached-call-has-no-current-load
  return loads.contexts.run(context, work);
}

/** Collects the tags of the cached calls that a load makes, for `inheritTags`. */
export class TagTracker {
  readonly #nonces = new Map<string, string>();
  /** False if a tag was seen with two nonces or the tags of a call are unknown: the entry must not be stored. */
  isComplete = true;

  /** @param tags undefined if they are unknown */
  add(tags: readonly TagVersion[] | undefined): void {
    if (tags === undefined) {
      this.isComplete = false;
      return;
    }
    for (const { tag, nonce } of tags) {
      const known = this.#nonces.get(tag);
      // guard: tag-with-two-nonces-proves-nothing
      if (known === undefined) this.#nonces.set(tag, nonce);
      else if (known !== nonce) this.isComplete = false;
    }
  }

  get tags(): readonly TagVersion[] {
    return [...this.#nonces].map(([tag, nonce]) => ({ tag, nonce }));
  }
}

/** Passes tags on to the loads of a batch. */
class TagTrackers extends TagTracker {
  readonly #trackers: readonly TagTracker[];

  constructor(trackers: readonly TagTracker[]) {
    super();
    this.#trackers = trackers;
  }

  override add(tags: readonly TagVersion[] | undefined): void {
    for (const tracker of this.#trackers) tracker.add(tags);
  }
}

/**
 * The tags of the call and of the calls within its load. Undefined if a nonce is missing or was seen with two values: the
 * entry must not be stored.
 */
export function mergeTags(
  tags: readonly TagVersion[] | undefined,
  tracker: TagTracker | undefined,
): readonly TagVersion[] | undefined {
  if (tags === undefined || tracker === undefined) return tags;
  tracker.add(tags);
  return tracker.isComplete ? tracker.tags : undefined;
}
