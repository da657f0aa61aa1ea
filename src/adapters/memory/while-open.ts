import { StoreUnavailableError } from '../../core/shared/errors.js';

/**
 * One opener's view of a store that others use, too: once it is closed, the verbs reject.
 *
 * @param verbs all of the store: the result is not assignable to its interface if one is missing
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
