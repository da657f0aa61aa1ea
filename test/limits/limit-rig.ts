import type { ExecutionContext } from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import { Caching, type CachingOptions } from '../../src/core/caching.js';
import { StoreUnavailableError } from '../../src/core/shared/errors.js';
import type { CachementEvents } from '../../src/core/shared/events.js';
import type { Limits } from '../../src/core/limits/limits.js';
import type { Adapter, AdapterHost } from '../../src/core/ports/adapter.js';
import type { RateStore } from '../../src/core/ports/rate-store.js';
import { subscribe } from '../../src/core/shared/events.js';
import { fakeClock, type FakeClock } from '../../src/testing/fake-clock.js';

/** How a store fails: it was not asked, it has done it and the reply was lost, or it was never heard of again. */
export type Failure = 'refused' | 'reply lost' | 'never sent';

type Verb = keyof RateStore;

/** The embedded store, seen from outside: what it is asked, and what becomes of it. */
export interface StagedRates {
  /** Verbs in the order in which they were asked. */
  readonly asked: readonly Verb[];
  /** The next `times` requests of this verb fail. */
  fail(verb: Verb, failure: Failure, times?: number): void;
  heal(): void;
  /** Replies to this verb are held back until the returned function is called. */
  hold(verb: Verb): () => void;
}

export interface LimitRig {
  readonly caching: Caching;
  readonly limits: Limits;
  readonly clock: FakeClock;
  readonly stage: StagedRates;
  /** Another process on the same store. */
  readonly other: Limits;
  /** The store itself, which never fails. */
  readonly store: RateStore;
  of<Name extends 'limit' | 'error'>(name: Name): readonly CachementEvents[Name][];
  /** Units taken by all processes together, asked behind the back of both. */
  used(key: string, rules: Parameters<Limits['peek']>[1]): Promise<number>;
}

let opened = 0;

export function limitRig(t: ExecutionContext, options: Partial<CachingOptions> = {}, random = 0.5): LimitRig {
  const clock = fakeClock(random);
  const namespace = `limits-${++opened}`;
  const shared = memory();
  const stage = new Stage();
  const host = { namespace, clock, wake() {}, degraded() {}, recovered() {} };
  const { rates: store } = shared.open(host);
  const caching = new Caching({ adapter: stage.around(shared), namespace, clock, ...options });
  const other = new Caching({ adapter: shared, namespace, clock });
  const events: { name: string; event: unknown }[] = [];
  const stops = (['limit', 'error'] as const).map((name) =>
    subscribe(name, (event) => {
      if (event.namespace === namespace) events.push({ name, event });
    }),
  );
  t.teardown(async () => {
    await Promise.all([caching.close(), other.close()]);
    for (const stop of stops) stop();
  });
  return {
    caching,
    limits: caching.limits,
    other: other.limits,
    store,
    clock,
    stage,
    of: (name) => events.filter((one) => one.name === name).map((one) => one.event as never),
    used: async (key, rules) => (await other.limits.peek(key, rules)).rules[0]!.used,
  };
}

class Stage implements StagedRates {
  readonly asked: Verb[] = [];
  readonly #failures = new Map<Verb, { failure: Failure; left: number }>();
  readonly #held = new Map<Verb, Promise<void>>();

  fail(verb: Verb, failure: Failure, times = Infinity): void {
    this.#failures.set(verb, { failure, left: times });
  }

  heal(): void {
    this.#failures.clear();
  }

  hold(verb: Verb): () => void {
    let release!: () => void;
    this.#held.set(verb, new Promise((resolve) => (release = resolve)));
    return () => {
      this.#held.delete(verb);
      release();
    };
  }

  around(adapter: Adapter): Adapter {
    return {
      name: 'staged',
      open: (host: AdapterHost) => {
        const backend = adapter.open(host);
        const { rates } = backend;
        const staged: RateStore = {
          consume: (...args) => this.#ask('consume', () => rates.consume(...args)),
          refund: (...args) => this.#ask('refund', () => rates.refund(...args)),
          renew: (...args) => this.#ask('renew', () => rates.renew(...args)),
          block: (...args) => this.#ask('block', () => rates.block(...args)),
          reset: (...args) => this.#ask('reset', () => rates.reset(...args)),
        };
        return { ...backend, rates: staged };
      },
    };
  }

  async #ask<T>(verb: Verb, go: () => Promise<T>): Promise<T> {
    this.asked.push(verb);
    const failing = this.#failures.get(verb);
    if (failing !== undefined && failing.left-- > 0) {
      if (failing.failure === 'reply lost') await go();
      const outcome = failing.failure === 'refused' ? 'refused' : 'unknown';
      throw new StoreUnavailableError(`The test broke the store: ${failing.failure}.`, outcome);
    }
    const reply = await go();
    await this.#held.get(verb);
    return reply;
  }
}

/** Everything that can go on without time has gone on. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
