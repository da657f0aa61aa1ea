import { memory } from '../../src/adapters/memory/index.js';
import { StoreUnavailableError, type Adapter, type EntryStore } from '../../src/index.js';

type Verb = keyof EntryStore;

/** The embedded adapter, and a switch that makes verbs of it fail as an unreachable Redis does. */
export interface FailingAdapter extends Adapter {
  fail(...verbs: Verb[]): void;
  heal(): void;
}

export function failingAdapter(): FailingAdapter {
  const inner = memory();
  const failing = new Set<PropertyKey>();
  return {
    name: 'failing',
    open(host) {
      const backend = inner.open(host);
      const entries = new Proxy(backend.entries, {
        get: (store, verb: Verb) =>
          failing.has(verb)
            ? () => Promise.reject(new StoreUnavailableError('The test broke the store.', 'refused'))
            : store[verb],
      });
      return { ...backend, entries };
    },
    fail: (...verbs) => {
      for (const verb of verbs) failing.add(verb);
    },
    heal: () => failing.clear(),
  };
}
