import { AsyncLocalStorage } from 'node:async_hooks';
import type { LoadSite } from './cache-call.js';
import type { TagVersion } from '../ports/entry-format.js';
import { shared } from '../shared/registry.js';

/** The tags of the cached calls that were made while a load runs, for `inheritTags`. */
export class TagTracker {
  readonly #nonces = new Map<string, string>();
  /** False: a tag was seen with two nonces, or the tags of a call are not known. The entry must not be stored then. */
  isComplete = true;

  /** @param tags undefined: not known */
  add(tags: readonly TagVersion[] | undefined): void {
    if (tags === undefined) {
      this.isComplete = false;
      return;
    }
    for (const { tag, nonce } of tags) {
      const known = this.#nonces.get(tag);
      if (known === undefined) this.#nonces.set(tag, nonce);
      else if (known !== nonce) this.isComplete = false;
    }
  }

  get tags(): readonly TagVersion[] {
    return [...this.#nonces].map(([tag, nonce]) => ({ tag, nonce }));
  }
}

/** Undefined if a nonce is missing or was seen with two values: the entry must not be stored. */
export function mergeTags(
  own: readonly TagVersion[] | undefined,
  tracker: TagTracker | undefined,
): readonly TagVersion[] | undefined {
  if (own === undefined || tracker === undefined) return own;
  tracker.add(own);
  return tracker.isComplete ? tracker.tags : undefined;
}

/** A load that runs, and the load within which it was called. */
export interface LoadContext {
  /** The engine it belongs to: another `Caching` may load the same key. */
  readonly engine: object;
  readonly key: string;
  readonly site: LoadSite | undefined;
  /** Of this load, or of the nearest one around it that has one. */
  readonly tracker: TagTracker | undefined;
  readonly outer: LoadContext | undefined;
  /** False once the load has ended: work that it left running is not part of it. */
  isActive: boolean;
}

const loads = shared('loads', () => ({ contexts: new AsyncLocalStorage<LoadContext>(), active: 0 }));

/** The load within which the present call is made. Costs nothing while no load runs. */
export function currentLoadContext(): LoadContext | undefined {
  return loads.active === 0 ? undefined : loads.contexts.getStore();
}

/** The active load of this very key around the present call: to wait for it would be to wait for oneself. */
export function enclosingLoadOf(
  context: LoadContext | undefined,
  engine: object,
  key: string,
): LoadContext | undefined {
  for (let at = context; at !== undefined; at = at.outer) {
    if (at.key === key && at.engine === engine && at.isActive) return at;
  }
  return undefined;
}

/** Runs a loader, so that the calls it makes know within which load they are. */
export async function runLoader<T>(
  of: { readonly engine: object; readonly key: string; readonly site: LoadSite | undefined },
  tracker: TagTracker | undefined,
  load: () => Promise<T>,
): Promise<T> {
  const outer = currentLoadContext();
  const context: LoadContext = { ...of, tracker: tracker ?? outer?.tracker, outer, isActive: true };
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
