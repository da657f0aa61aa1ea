import { memory } from '../../src/adapters/memory/index.js';
import { clearKey, entryKey, tagChangesKey, tagKey } from '../../src/core/keys/store-keys.js';
import { fakeClock } from '../../src/testing/fake-clock.js';
import { LocalNode } from './local-node.js';
import type { Place, Target } from './place.js';
import { settled } from '../support/settled.js';
import { pausable } from '../support/pausable-clock.js';

/** A loader keeps its lease for this many times its length (see `CacheOptions.lease`). */
const LEASES = 20;
const LEASE = 1_000;
const TTL = 60_000;

let places = 0;

/** One `Caching`, or two on one memory, in this process, on a clock that only the test moves. */
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
      // To the store of this process all keys are alike; to remove one behind the engine's back is to evict it.
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
      // A reader that crashed has nobody who answers.
      await Promise.race([reader.caching.close(), settled()]);
    },
  };
}

/** The store's names of what stands at these keys and tags; all that the interleavings use. */
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
