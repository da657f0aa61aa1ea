/** Grows when copies of the package can no longer work on each other's state. */
const VERSION = 1;
const REGISTRY = Symbol.for(`cachement.registry/${VERSION}`);

interface WithRegistry {
  [REGISTRY]?: Map<string, unknown>;
}

/**
 * State that all copies of this package in a process share: the ESM and the CommonJS build of it, or two versions. Users
 * see one library, whichever copy they import: one default, one container, one current lease, each warning once.
 *
 * @param name of this state, the same in every copy
 * @param create makes it, in the copy that needs it first
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

/** The symbol by which copies of this package recognize each other's objects. */
export function brand(name: string): symbol {
  return Symbol.for(`cachement.${name}/${VERSION}`);
}

const warnings = shared('warnings', () => new Set<string>());

/**
 * A warning of the process, once for each `id`.
 * @param code stable, for programs: `CACHEMENT_SHARED_NAME`
 */
export function warnOnce(code: string, id: string, message: string): void {
  const what = `${code} ${id}`;
  if (warnings.has(what)) return;
  warnings.add(what);
  process.emitWarning(message, { type: 'CachementWarning', code });
}
