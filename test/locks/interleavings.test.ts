import test from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import { Caching } from '../../src/core/caching.js';
import { chaosAdapter, type ChaosAdapter } from '../../src/testing/chaos-adapter.js';
import { lockKey } from '../../src/core/keys/store-keys.js';
import type { Clock } from '../../src/core/ports/clock.js';
import { fakeClock, type FakeClock } from '../../src/testing/fake-clock.js';
import { deferred } from '../support/deferred.js';
import { pausable, type PausableClock } from '../support/pausable-clock.js';
import { settled } from '../support/settled.js';
import { naiveLocks, type WorldLease, type WorldLocks } from './naive-locks.js';

/**
 * Interleavings that break many lock libraries, at the level of the port. Each runs with a naive lock, which must fail,
 * and with `Locks`.
 */

const NAMESPACE = 'interleavings';
const LEASE = 1_000;

type Open = (chaos: ChaosAdapter, clock: Clock) => WorldLocks;

const openNaive: Open = (chaos, clock) => {
  const { locks } = chaos.open({ namespace: NAMESPACE, clock, wake() {}, degraded() {}, recovered() {} });
  return naiveLocks(locks, clock, (key) => lockKey(NAMESPACE, key));
};
const openOurs: Open = (chaos, clock) => new Caching({ adapter: chaos, namespace: NAMESPACE, clock }).locks;

interface World {
  readonly clock: FakeClock;
  readonly a: WorldLocks;
  readonly b: WorldLocks;
  /** The clock of A. While it is paused, no timer of A fires. */
  readonly process: PausableClock;
  /** Injects faults into the calls of A. */
  readonly chaos: ChaosAdapter;
}

function world(open: Open): World {
  const clock = fakeClock();
  const adapter = memory();
  // The first open fixes the clock of the stores, which must never pause.
  adapter.open({ namespace: NAMESPACE, clock, wake() {}, degraded() {}, recovered() {} });
  const chaos = chaosAdapter(adapter);
  const process = pausable(clock);
  return { clock, a: open(chaos, process), b: open(chaosAdapter(adapter), clock), process, chaos };
}

/** Holds the lock until `release`. */
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
  /** @returns which of the two consider the lock held at the end */
  run(world: World): Promise<{ readonly a: boolean; readonly b: boolean }>;
}

const INTERLEAVINGS: readonly Interleaving[] = [
  {
    title: 'G8 locks: row c: the grant arrives when another has the lock after its lease',
    async run({ a, b, clock, chaos }) {
      const grant = chaos.hold('locks.acquire', 'reply');
      const first = hold(a);
      await clock.advance(LEASE + 100);
      const second = hold(b);
      await clock.advance(300);
      grant.release();
      await settled();
      return { a: holds(first), b: holds(second) };
    },
  },
  {
    title: 'G8 locks: row e: renewals are not answered, and another acquires the lock after the lease',
    async run({ a, b, clock, chaos }) {
      chaos.fail('locks.extend', 'no reply');
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
