import type fc from 'fast-check';
import { memory } from '../../src/adapters/memory/index.js';
import { MemoryEntryStore } from '../../src/adapters/memory/memory-entry-store.js';
import { StoreUnavailableError } from '../../src/core/shared/errors.js';
import type { Adapter, AdapterHost } from '../../src/core/ports/adapter.js';
import type { Clock } from '../../src/core/ports/clock.js';
import type { EntryStore } from '../../src/core/ports/entry-store.js';

/**
 * What becomes of one request: it is served; it never arrives; it is served and the reply is lost; the caller is
 * told that it failed and it is served later.
 */
export type Fault = 'none' | 'refused' | 'reply lost' | 'late';

/** A store that several `Caching` share, every request and every reply of which waits for the scheduler. */
export class ScheduledStore {
  readonly memory: MemoryEntryStore;
  readonly #scheduler: fc.Scheduler;
  readonly #faults: Fault[];
  readonly #hosts: AdapterHost[] = [];
  readonly #down = new Set<number>();
  /** Requests that nobody waits for any more. */
  readonly stragglers: Promise<unknown>[] = [];

  /** @param faults one for each request, in the order in which they are sent; then none */
  constructor(clock: Clock, scheduler: fc.Scheduler, faults: readonly Fault[]) {
    this.#scheduler = scheduler;
    this.#faults = [...faults];
    this.memory = new MemoryEntryStore(clock, { maxEntries: 10_000, maxBytes: 1e9 }, (key) =>
      this.#wake(key),
    );
  }

  /** While it is down for one of the openers, each of its requests is refused. */
  setDown(opener: number, down: boolean): void {
    if (down) this.#down.add(opener);
    else if (this.#down.delete(opener)) this.#hosts[opener]?.recovered();
  }

  /** The adapter of the next opener: they are counted from 0. */
  adapter(): Adapter {
    return {
      name: 'scheduled',
      open: (host) => {
        const opener = this.#hosts.push(host) - 1;
        return { ...memory().open(host), entries: this.#entries(opener) };
      },
    };
  }

  #wake(key: string): void {
    for (const [opener, host] of this.#hosts.entries()) {
      const told = this.#scheduler.schedule(Promise.resolve(), `wake of ${opener} for ${key}`);
      this.stragglers.push(told.then(() => host.wake(key)));
    }
  }

  #entries(opener: number): EntryStore {
    const { memory } = this;
    const pass = <Reply>(name: string, act: () => Promise<Reply>): Promise<Reply> =>
      this.pass(opener, name, act);
    return {
      read: (key, nonces) => pass(`read ${key}`, () => memory.read(key, nonces)),
      nonces: (nonces) => pass('nonces', () => memory.nonces(nonces)),
      lease: (key, token, ms, replaces) => pass(`lease ${key}`, () => memory.lease(key, token, ms, replaces)),
      extend: (key, token, ms) => pass(`extend ${key}`, () => memory.extend(key, token, ms)),
      fill: (key, token, record, until) => pass(`fill ${key}`, () => memory.fill(key, token, record, until)),
      release: (key, token) => pass(`release ${key}`, () => memory.release(key, token)),
      remove: (keys) => pass(`remove ${keys.join(' ')}`, () => memory.remove(keys)),
      getOrCreateNonces: (nonces, tagChanges, fresh, ttl) =>
        pass('getOrCreateNonces', () => memory.getOrCreateNonces(nonces, tagChanges, fresh, ttl)),
      removeNonces: (nonces, tagChanges, buckets, fresh) =>
        pass(`removeNonces ${nonces.join(' ')}`, () =>
          memory.removeNonces(nonces, tagChanges, buckets, fresh),
        ),
    };
  }

  /** One request of an opener. */
  async pass<Reply>(opener: number, name: string, act: () => Promise<Reply>): Promise<Reply> {
    const label = `${opener}: ${name}`;
    const fault = this.#down.has(opener) ? 'refused' : (this.#faults.shift() ?? 'none');
    if (fault === 'refused') {
      await this.#scheduler.schedule(Promise.resolve(), `${label} is refused`);
      throw new StoreUnavailableError(`${label} was refused.`, 'refused');
    }
    const served = this.#scheduler.schedule(Promise.resolve(), `${label} arrives`).then(act);
    if (fault === 'late') {
      this.stragglers.push(served);
      await this.#scheduler.schedule(Promise.resolve(), `${label} is given up`);
      throw new StoreUnavailableError(`${label} was given up.`, 'unknown');
    }
    const reply = await served;
    await this.#scheduler.schedule(Promise.resolve(), `${label} is answered`);
    if (fault === 'reply lost') throw new StoreUnavailableError(`The reply of ${label} was lost.`, 'unknown');
    return reply;
  }
}
