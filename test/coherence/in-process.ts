import { memory } from '../../src/adapters/memory/index.js';
import { clearKey, entryKey, tagChangesKey, tagKey } from '../../src/core/keys/store-keys.js';
import { fakeClock } from '../../src/testing/fake-clock.js';
import { LocalNode } from './local-node.js';
import type { Place, Target } from './place.js';
import { settled } from '../support/settled.js';
import { pausable } from '../support/pausable-clock.js';

/** A load extends its lease up to this many times its duration (see `CacheOptions.lease`). */
const LEASES = 20;
const LEASE = 1_000;
const TTL = 60_000;

let places = 0;

/** One `Caching`, or two on one memory adapter, in this process, with a clock that only the test advances. */
export function inProcess(nodes: 1 | 2): Place {
  const clock = fakeClock();
  const namespace = `place-${++places}`;
  const adapter = memory();
  const readerClock = pausable(clock);
  const common = { adapter, namespace, lease: LEASE, ttl: TTL };
  const reader = new LocalNode({ ...common, clock: readerClock });
  const writer = nodes === 1 ? reader : new LocalNode({ ...common, clock });
  const store = adapter.open({ namespace, clock, wake() {}, degraded() {}, recovered() {} }).entries;

  const within = async <Value>(ms: number, promise: Promise<Value>): Promise<Value> => {
    let done = false;
    const end = promise.finally(() => (done = true));
    end.catch(() => {});
    await clock.advance(0);
    for (let i = 0; i < 20 && !done; i++) await clock.advance(ms / 20);
    if (!done) throw new Error(`Expected it to settle within ${ms} ms.`);
    return end;
  };
  return {
    reader,
    writer,
    lease: LEASE,
    ttl: TTL,
    within,
    until: async (what, ms, condition) => {
      for (let i = 0; i < 20; i++) {
        if (await condition()) return;
        await clock.advance(ms / 20);
      }
      throw new Error(`Expected within ${ms} ms: ${what}.`);
    },
    settle: settled,
    evict: async (what) => {
      // Removing a key directly in the store is equivalent to an eviction: the engine is not notified.
      await store.remove(namesOf(namespace, what));
    },
    outlive: async (_key, ms) => {
      if (writer === reader) await clock.advance(Math.max(ms, LEASE * (LEASES + 2)));
      else {
        readerClock.pause();
        await clock.advance(Math.max(ms, 2 * LEASE));
      }
      return async () => readerClock.resume();
    },
    crash:
      writer === reader
        ? undefined
        : async () => {
            readerClock.pause();
            reader.chaos.kill();
          },
    close: async () => {
      if (writer !== reader) await writer.caching.close();
      // Do not wait for a reader that crashed: its close never settles.
      await Promise.race([reader.caching.close(), settled()]);
    },
  };
}

/** Returns the store keys of a target. `all` covers every key and tag that the interleavings use. */
export function namesOf(namespace: string, { keys = [], tags = [], all = false }: Target): readonly string[] {
  const every = all
    ? [
        ...namesOf(namespace, { keys: ['k', 'inner', 'outer'], tags: ['org'] }),
        clearKey(namespace),
        tagChangesKey(namespace),
      ]
    : [];
  return [
    ...keys.map((key) => entryKey(namespace, key)),
    ...tags.map((tag) => tagKey(namespace, tag)),
    ...every,
  ];
}
