import { StoreUnavailableError } from '../../core/errors.js';
import { LocalRateStore } from '../../core/limits/local-rate-store.js';
import { defaultsOf, parseOptions, resolveOptions } from '../../core/option-schema.js';
import type { Adapter, Backend, EntryStore, Host, RateStore } from '../../core/ports.js';
import { memoryOptions, type MemoryOptions } from './memory-options.js';
import { locksWhileOpen, MemoryLocks } from './memory-locks.js';
import { MemoryStore } from './memory-store.js';

export type { MemoryOptions } from './memory-options.js';

/**
 * The embedded adapter: every port in this process, with the semantics of the Redis adapter. Several `Caching`
 * given the same `memory()` share what it holds, like several processes on one Redis.
 *
 * @throws OptionsError
 * @example
 * const caching = new Caching({ adapter: memory(), namespace: 'shop', defaults: { ttl: '5m' } });
 */
export function memory(options: MemoryOptions = {}): Adapter {
  const given = parseOptions(memoryOptions, options, 'memory({ ... })');
  const limits = resolveOptions(given, defaultsOf(memoryOptions));
  const hosts = new Set<Host>();
  let store: MemoryStore | undefined;
  let rates: LocalRateStore | undefined;
  let locks: MemoryLocks | undefined;
  const wake = (key: string): void => {
    for (const host of hosts) host.wake(key);
  };
  return {
    name: 'memory',
    open(host): Backend {
      store ??= new MemoryStore(host.clock, limits, wake);
      rates ??= new LocalRateStore(host.clock, { maxKeys: limits.maxEntries }, wake);
      locks ??= new MemoryLocks(host.clock, wake);
      hosts.add(host);
      let closed = false;
      const open = <Store>(one: Store) => {
        return (): Store => {
          if (closed) throw new StoreUnavailableError('This Caching is closed.', 'refused');
          return one;
        };
      };
      return {
        entries: entriesWhile(open(store)),
        rates: ratesWhile(open(rates)),
        locks: locksWhileOpen(locks, () => closed),
        ready: async () => {},
        close: async () => {
          closed = true;
          hosts.delete(host);
        },
      };
    },
  };
}

/** One opener's view: after its `close` the verbs fail, and the others' go on. */
function entriesWhile(open: () => EntryStore): EntryStore {
  return {
    read: async (...args) => open().read(...args),
    nonces: async (...args) => open().nonces(...args),
    lease: async (...args) => open().lease(...args),
    extend: async (...args) => open().extend(...args),
    fill: async (...args) => open().fill(...args),
    release: async (...args) => open().release(...args),
    remove: async (...args) => open().remove(...args),
    mint: async (...args) => open().mint(...args),
    removeNonces: async (...args) => open().removeNonces(...args),
  };
}

function ratesWhile(open: () => RateStore): RateStore {
  return {
    consume: async (...args) => open().consume(...args),
    refund: async (...args) => open().refund(...args),
    renew: async (...args) => open().renew(...args),
    block: async (...args) => open().block(...args),
    reset: async (...args) => open().reset(...args),
  };
}
