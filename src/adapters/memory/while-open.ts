import { StoreUnavailableError } from '../../core/shared/errors.js';

/**
 * Returns the view that one `Caching` has of a shared store. Its verbs reject once that `Caching` is closed; those of
 * the others go on.
 *
 * @param verbs all verbs of the store: if one is missing, the result is not assignable to the interface
 */
export function whileOpen<Store extends object, Verb extends keyof Store>(
  store: Store,
  isClosed: () => boolean,
  verbs: readonly Verb[],
): Pick<Store, Verb> {
  const view = verbs.map((verb) => [
    verb,
    async (...args: unknown[]): Promise<unknown> => {
      if (isClosed()) throw closedError();
      return (store[verb] as (...args: unknown[]) => unknown).apply(store, args);
    },
  ]);
  return Object.fromEntries(view) as Pick<Store, Verb>;
}

export function closedError(): StoreUnavailableError {
  return new StoreUnavailableError('This Caching is closed.', 'refused');
}
