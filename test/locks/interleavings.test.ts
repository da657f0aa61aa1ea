import test from 'ava';
import { MemoryLockStore } from '../../src/adapters/memory/memory-lock-store.js';
import { lockKey } from '../../src/core/keys/store-keys.js';
import { LockEngine } from '../../src/core/locks/lock-engine.js';
import { Locks } from '../../src/core/locks/locks.js';
import type { Clock } from '../../src/core/ports/clock.js';
import type { LockStore } from '../../src/core/ports/lock-store.js';
import { fakeClock, type FakeClock } from '../../src/testing/fake-clock.js';
import { deferred } from '../coherence/deferred.js';
import { pausable, type PausableClock } from '../coherence/stage.js';
import { settled } from './lock-rig.js';
import { naiveLocks, type WorldLease, type WorldLocks } from './naive-locks.js';

/**
 * Interleavings that break the locks of others, at the level of the port: each is run with a naive lock, which must
 * be shown to fail, and with ours.
 */

const NAMESPACE = 'interleavings';
const LEASE = 1_000;

type Open = (store: LockStore, clock: Clock) => WorldLocks;

const openNaive: Open = (store, clock) => naiveLocks(store, clock, (key) => lockKey(NAMESPACE, key));
const openOurs: Open = (store, clock) =>
  new Locks(new LockEngine({ namespace: NAMESPACE, store, clock, defaults: {}, enabled: true }));

interface World {
  readonly clock: FakeClock;
  readonly a: WorldLocks;
  readonly b: WorldLocks;
  /** Timers of A do not run while it is paused. */
  readonly process: PausableClock;
  /** What happens between A and the store. */
  readonly way: Way;
}

class Way {
  /** The replies of A's requests for a lock wait for this. */
  replies: Promise<void> | undefined;
  /** Nothing that A asks of its grants is answered. */
  silent = false;
}

function world(open: Open): World {
  const clock = fakeClock();
  const memory = new MemoryLockStore(clock, () => {});
  const way = new Way();
  const staged: LockStore = {
    hasSingleAuthority: true,
    acquire: async (request) => {
      const reply = await memory.acquire(request);
      await way.replies;
      if (reply.status !== 'granted') return reply;
      const { grant } = reply;
      return {
        status: 'granted',
        grant: {
          fencingToken: grant.fencingToken,
          extend: async (ms) => (way.silent ? new Promise<never>(() => {}) : grant.extend(ms)),
          release: () => grant.release(),
        },
      };
    },
    abandon: (request) => memory.abandon(request),
  };
  const process = pausable(clock);
  return { clock, a: open(staged, process), b: open(memory, clock), process, way };
}

/** Holds the lock until it is told. */
function hold(locks: WorldLocks): { lease: WorldLease | undefined; release(): void } {
  const gate = deferred();
  const holder: { lease: WorldLease | undefined; release(): void } = {
    lease: undefined,
    release: () => gate.resolve(),
  };
  locks
    .withLease({ keys: ['k'] }, { lease: LEASE, wait: 60_000 }, (lease) => {
      holder.lease = lease;
      return gate.promise;
    })
    .catch(() => {});
  return holder;
}

function holds({ lease }: { readonly lease: WorldLease | undefined }): boolean {
  return lease !== undefined && lease.remainingMs > 0;
}

interface Interleaving {
  readonly title: string;
  /** @returns who takes the lock for held in the end */
  run(world: World): Promise<{ readonly a: boolean; readonly b: boolean }>;
}

const INTERLEAVINGS: readonly Interleaving[] = [
  {
    title: 'G8 locks: row c: the grant arrives when another has the lock after its lease',
    async run({ a, b, clock, way }) {
      const slow = deferred();
      way.replies = slow.promise;
      const first = hold(a);
      await clock.advance(LEASE + 100);
      const second = hold(b);
      await clock.advance(300);
      slow.resolve();
      await settled();
      return { a: holds(first), b: holds(second) };
    },
  },
  {
    title: 'G8 locks: row e: renewals are not answered, and another acquires the lock after the lease',
    async run({ a, b, clock, way }) {
      way.silent = true;
      const first = hold(a);
      await settled();
      const second = hold(b);
      await clock.advance(LEASE + 300);
      return { a: holds(first), b: holds(second) };
    },
  },
  {
    title: 'G8 locks: row g: the process is paused for longer than the lease',
    async run({ a, b, clock, process }) {
      const first = hold(a);
      await settled();
      process.pause();
      const second = hold(b);
      await clock.advance(LEASE + 300);
      const found = { a: holds(first), b: holds(second) };
      process.resume();
      return found;
    },
  },
];

for (const { run, title } of INTERLEAVINGS) {
  test(`${title}: a naive lock has two holders`, async (t) => {
    t.deepEqual(await run(world(openNaive)), { a: true, b: true });
  });

  test(`${title}: this library has one holder`, async (t) => {
    t.deepEqual(await run(world(openOurs)), { a: false, b: true });
  });
}
