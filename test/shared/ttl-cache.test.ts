import test from 'ava';
import fc from 'fast-check';
import { TtlCache } from '../../src/core/shared/ttl-cache.js';
import { setClock } from '../limits/algorithms/rate-rig.js';

/** The same in a list, the most recently used last. Nothing in it is fast. */
class Listed {
  readonly #max: number;
  #kept: { readonly key: string; readonly value: number; readonly until: number }[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  get(key: string, now: number): number | undefined {
    const found = this.#kept.find((one) => one.key === key);
    this.delete(key);
    if (found === undefined || now > found.until) return undefined;
    this.#kept.push(found);
    return found.value;
  }

  set(key: string, value: number, until: number): void {
    this.delete(key);
    this.#kept = [...this.#kept, { key, value, until }].slice(-this.#max);
  }

  delete(key: string): void {
    this.#kept = this.#kept.filter((one) => one.key !== key);
  }

  size(now: number): number {
    this.#kept = this.#kept.filter(({ until }) => now <= until);
    return this.#kept.length;
  }
}

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const step = fc.oneof(
  fc.record({ does: fc.constant('get' as const), key }),
  fc.record({ does: fc.constant('set' as const), key, ms: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ does: fc.constant('delete' as const), key }),
  fc.record({ does: fc.constant('size' as const) }),
  fc.record({ does: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 8 }) }),
);

test('Property: keeps the same keys as an LRU list', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.array(step, { maxLength: 60, size: 'max' }),
      (max, steps) => {
        const clock = setClock();
        const kept = new TtlCache<number>(clock, max);
        const listed = new Listed(max);
        return steps.every((one, i) => {
          switch (one.does) {
            case 'get':
              return kept.get(one.key) === listed.get(one.key, clock.ms);
            case 'set':
              kept.set(one.key, i, one.ms);
              listed.set(one.key, i, clock.ms + one.ms);
              return true;
            case 'delete':
              kept.delete(one.key);
              listed.delete(one.key);
              return true;
            case 'size':
              return kept.size === listed.size(clock.ms);
            case 'wait':
              clock.ms += one.ms;
              return true;
          }
        });
      },
    ),
    { numRuns: 500 },
  );
  t.pass();
});

test('a ttl is rounded up to whole milliseconds, at least one', (t) => {
  const clock = setClock();
  const kept = new TtlCache<string>(clock, 3);
  kept.set('short', 'value', -5);
  kept.set('long', 'value', 1.2);
  clock.ms += 1;
  t.is(kept.get('short'), 'value');
  clock.ms += 1;
  t.is(kept.get('short'), undefined);
  t.is(kept.get('long'), 'value');
  clock.ms += 1;
  t.is(kept.get('long'), undefined);
});
