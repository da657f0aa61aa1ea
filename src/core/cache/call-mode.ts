import { AsyncLocalStorage } from 'node:async_hooks';
import { describe } from '../shared/describe.js';
import { OptionsError } from '../shared/errors.js';
import { shared } from '../shared/registry.js';

/** What `caching.bypass` or `caching.refresh` has set for the cached calls of one `Caching`. */
export interface CallMode {
  readonly engine: object;
  /** The keys that were loaded in this `refresh`, each of which is loaded once; undefined: `bypass`. */
  readonly refreshed: Set<string> | undefined;
  readonly outer: CallMode | undefined;
}

const state = shared('call modes', () => ({
  storage: new AsyncLocalStorage<CallMode>(),
  /** True once a mode has been set. Until then calls skip the lookup in `storage`. */
  isUsed: false,
}));

/**
 * Runs `work` with a mode for the cached calls of `engine`.
 *
 * @param label names the call in errors: `bypass`
 * @throws OptionsError if `work` is not a function; and what `work` throws
 */
export function runInMode<T>(
  engine: object,
  refreshed: Set<string> | undefined,
  work: () => T,
  label: string,
): T {
  if (typeof work !== 'function') {
    throw new OptionsError(`caching.${label} takes a function to run, and ${describe(work)} was given.`);
  }
  state.isUsed = true;
  return state.storage.run({ engine, refreshed, outer: state.storage.getStore() }, work);
}

/** The mode of the current call. The innermost one counts; those of other `Caching` do not. */
export function callModeOf(engine: object): CallMode | undefined {
  if (!state.isUsed) return undefined;
  let mode = state.storage.getStore();
  // guard: mode-is-of-this-caching
  while (mode !== undefined && mode.engine !== engine) mode = mode.outer;
  return mode;
}
