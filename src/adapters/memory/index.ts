import { LocalRateStore } from '../../core/limits/local-rate-store.js';
import { defaultsOf, parseOptions, resolveOptions } from '../../core/shared/option-schema.js';
import type { Adapter, Backend, AdapterHost } from '../../core/ports/adapter.js';
import { memoryOptions, type MemoryOptions } from './memory-options.js';
import { locksWhileOpen, MemoryLockStore } from './memory-lock-store.js';
import { MemoryEntryStore } from './memory-entry-store.js';
import { MemorySessionStore } from './memory-session-store.js';
import { MemoryMessages } from './memory-messages.js';
import { whileOpen } from './while-open.js';

export type { MemoryOptions } from './memory-options.js';

/**
 * Creates an adapter that keeps everything in this process, with the semantics of the Redis adapter. Several `Caching`
 * with the same `memory()` share its content, like several processes with one Redis.
 *
 * @throws OptionsError
 * @example
 * const caching = new Caching({ adapter: memory(), namespace: 'shop', defaults: { ttl: '5m' } });
 */
export function memory(options: MemoryOptions = {}): Adapter {
  const parsed = parseOptions(memoryOptions, options, 'memory({ ... })');
  const limits = resolveOptions(parsed, defaultsOf(memoryOptions));
  const hosts = new Set<AdapterHost>();
  const messages = new MemoryMessages();
  let entries: MemoryEntryStore | undefined;
  let rates: LocalRateStore | undefined;
  let locks: MemoryLockStore | undefined;
  let sessions: MemorySessionStore | undefined;
  const wake = (key: string): void => {
    for (const host of hosts) host.wake(key);
  };
  const changed = (storeKeys: readonly string[]): void => {
    for (const { changes } of hosts) changes?.listener.changed(storeKeys);
  };
  return {
    name: 'memory',
    open(host): Backend {
      entries ??= new MemoryEntryStore(host.clock, limits, wake, changed);
      rates ??= new LocalRateStore(host.clock, { maxKeys: limits.maxEntries }, wake);
      locks ??= new MemoryLockStore(host.clock, wake);
      sessions ??= new MemorySessionStore(host.clock);
      hosts.add(host);
      // Changes are reported before the call that makes them returns, so none is ever missed.
      host.changes?.listener.confirmed(Infinity);
      let closed = false;
      const isClosed = (): boolean => closed;
      return {
        entries: whileOpen(entries, isClosed, [
          ...([
            'read',
            'time',
            'nonces',
            'lease',
            'extend',
            'fill',
            'touch',
            'release',
            'remove',
            'mark',
            'unmark',
          ] as const),
          ...(['getOrCreateNonces', 'removeNonces', 'replicated'] as const),
        ]),
        rates: whileOpen(rates, isClosed, ['consume', 'refund', 'renew', 'block', 'reset']),
        locks: locksWhileOpen(locks, isClosed),
        sessions: whileOpen(sessions, isClosed, [
          ...(['create', 'read', 'touch', 'update', 'save', 'remove', 'keys'] as const),
          ...(['bind', 'isCurrent', 'revoke', 'handles'] as const),
        ]),
        messages: messages.open(host.namespace, isClosed),
        ready: async () => {},
        close: async () => {
          closed = true;
          hosts.delete(host);
        },
      };
    },
  };
}
