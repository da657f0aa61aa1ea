/** Incremented when copies of the package can no longer share state with older ones. */
const VERSION = 1;
const REGISTRY = Symbol.for(`cachement.registry/${VERSION}`);

interface WithRegistry {
  [REGISTRY]?: Map<string, unknown>;
}

/**
 * Returns state that all copies of this package in a process share: its ESM and CommonJS builds, or two versions. So users
 * see one library with one default `Caching`, one container and one current lease, whichever copy they import.
 *
 * @param name identifies the state, the same in every copy
 * @param create creates the state, called by the first copy that needs it
 */
export function shared<State extends object>(name: string, create: () => State): State {
  const registry = ((globalThis as WithRegistry)[REGISTRY] ??= new Map());
  const known = registry.get(name);
  // guard: copies-share-their-state
  if (known !== undefined) return known as State;
  const state = create();
  registry.set(name, state);
  return state;
}

/** A symbol that marks objects of this package, the same in all copies. */
export function brand(name: string): symbol {
  return Symbol.for(`cachement.${name}/${VERSION}`);
}

const warnings = shared('warnings', () => new Set<string>());

/**
 * Emits a process warning, once for each code and id.
 * @param code a stable code for programs: `CACHEMENT_SHARED_NAME`
 */
export function warnOnce(code: string, id: string, message: string): void {
  const what = `${code} ${id}`;
  if (warnings.has(what)) return;
  warnings.add(what);
  process.emitWarning(message, { type: 'CachementWarning', code });
}
